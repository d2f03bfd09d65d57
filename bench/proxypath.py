"""The data path through a cluster IP, against the Pod's own address, in tables of different sizes.

Part of `python -m bench.proxy`. A client and a server Pod on one node with the real table; both are processes of this
program, so the figures are of the kernel's path and the socket calls around it. Direct and through the cluster IP take
turns, because the machine is never the same twice.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import statistics
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, NoReturn

from fairlead.api.backends import SERVICE_NAME_LABEL
from fairlead.api.endpointslice import Endpoint, EndpointPort, EndpointSlice
from fairlead.api.meta import ObjectMeta
from fairlead.api.service import Service, ServicePort, ServiceSpec
from fairlead.base.clock import RealClock
from fairlead.base.log import SILENT
from fairlead.net import linux
from fairlead.net.model import ClusterNetwork
from fairlead.net.netlink.run import Netlink
from fairlead.net.nft.run import NftKernel
from fairlead.net.topology.run import PodAttacher, add_node, build_fabric
from fairlead.proxy.modes import nftables_proxy
from fairlead.proxy.nodes import node_view

ROUNDS = 9
_CONNECTS, _BULK_S = 800, 0.3
_NETWORK = ClusterNetwork()
_SERVER, _CLIENT, _VIP = "10.244.1.2", "10.244.1.3", "10.96.0.10"
_SHORT, _BULK = 8080, 8081
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
Where = tuple[str, int]
Apart = Callable[[Callable[[], Any]], Any]


@dataclass
class Path:
    """By rounds: connects a second, their latency in µs, Gbit/s."""

    rates: list[float]
    latencies: list[float]
    speeds: list[float]


async def _fill(node: int, services: int) -> None:
    """The probed Service among others."""
    view = node_view("node1", IPv4Address("172.30.0.11"), _NETWORK)
    kernel = linux.in_netns(node, NftKernel)
    proxy = nftables_proxy(view, network=_NETWORK, nft=kernel, clock=RealClock(), log=SILENT)
    for i in range(services):
        ip = _VIP if i == 0 else f"10.97.{i // 250}.{i % 250 + 1}"
        ports = [ServicePort(name=str(n), port=n, protocol="TCP") for n in (_SHORT, _BULK)]
        ends = [EndpointPort(name=str(n), port=n, protocol="TCP") for n in (_SHORT, _BULK)]
        labels = {SERVICE_NAME_LABEL: f"s{i}"}
        proxy.view.service_changed(
            f"default/s{i}",
            None,
            Service(
                metadata=ObjectMeta(name=f"s{i}", namespace="default"),
                spec=ServiceSpec(type="ClusterIP", clusterIP=ip, ports=ports if i == 0 else ports[:1]),
            ),
        )
        proxy.view.slice_changed(
            f"default/s{i}-x",
            None,
            EndpointSlice(
                metadata=ObjectMeta(name=f"s{i}-x", namespace="default", labels=labels),
                addressType="IPv4",
                endpoints=[Endpoint(addresses=[_SERVER], nodeName="node1")],
                ports=ends if i == 0 else ends[:1],
            ),
        )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(proxy.run())
        await proxy.synced.wait()
        task.cancel()


def _fork(netns: int, work: Callable[[], NoReturn]) -> int:
    pid = os.fork()
    if pid == 0:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        linux.setns(netns, linux.CLONE_NEWNET)
        work()
    return pid


def _accept_short() -> NoReturn:
    with socket.create_server(("", _SHORT), backlog=4096) as server:
        while True:
            server.accept()[0].close()


def _accept_bulk() -> NoReturn:
    room = bytearray(1 << 20)
    with socket.create_server(("", _BULK)) as server:
        while True:
            peer, _ = server.accept()
            with peer:
                while peer.recv_into(room):
                    pass


def _connect_many(where: Where) -> tuple[float, list[float]]:
    latencies = []
    begin = time.perf_counter()
    for _ in range(_CONNECTS):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            start = time.perf_counter()
            sock.connect(where)
            latencies.append((time.perf_counter() - start) * 1e6)
    return _CONNECTS / (time.perf_counter() - begin), latencies


def _send_bulk(where: Where) -> float:
    data = memoryview(bytes(1 << 20))
    sent = 0
    with socket.create_connection(where) as sock:
        start = time.perf_counter()
        while (took := time.perf_counter() - start) < _BULK_S:
            sent += sock.send(data)
    return sent * 8 / took / 1e9


def _wait_for(where: Where) -> None:
    for _ in range(500):
        with socket.socket() as sock:
            if sock.connect_ex(where) == 0:
                return
        time.sleep(0.01)
    raise SystemExit(f"{where} never answered")


def measure(services: int) -> dict[str, Any]:
    """Both paths, in namespaces of the caller's own."""
    build_fabric(_NETWORK)
    node = add_node(_NETWORK, 1, 1)
    attacher = PodAttacher(linux.in_netns(node, Netlink))
    pods = []
    for ip in (_SERVER, _CLIENT):
        netns, _ = linux.new_netns()
        attacher.attach(netns, ip=IPv4Address(ip), gateway=_NETWORK.pod_gateway(1), host_ifname=f"p{ip[-1]}")
        pods.append(netns)
    servers = [_fork(pods[0], work) for work in (_accept_short, _accept_bulk)]
    asyncio.run(_fill(node, services))
    linux.setns(pods[1], linux.CLONE_NEWNET)
    for port in (_SHORT, _BULK):
        _wait_for((_SERVER, port))
    found = {name: Path([], [], []) for name in (_SERVER, _VIP)}
    for turn in range(ROUNDS * 2):
        name = (_SERVER, _VIP)[turn % 2]
        rate, latencies = _connect_many((name, _SHORT))
        found[name].rates.append(rate)
        found[name].latencies += latencies
        found[name].speeds.append(_send_bulk((name, _BULK)))
    for pid in servers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return {name: vars(path) for name, path in found.items()}


def report(sizes: Sequence[int], apart: Apart) -> None:
    print("Data path, one client: new connections/s, connect() in µs, Gbit/s  (median of rounds in turns)")
    print(f"  {'':24} {'conn/s':>8} {'p50':>6} {'p99':>7} {'Gbit/s':>8}")
    for size in sizes:
        found = {name: Path(**path) for name, path in apart(lambda size=size: measure(size)).items()}  # type: ignore[misc]
        for name, text in ((_SERVER, "Pod's address"), (_VIP, "cluster IP")):
            path = found[name]
            ordered = sorted(path.latencies)
            print(
                f"  {f'{text}, of {size:,}':24} {statistics.median(path.rates):8.0f} {statistics.median(ordered):6.0f} "
                f"{ordered[int(len(ordered) * 0.99)]:7.0f} {statistics.median(path.speeds):8.2f}"
            )
        share = statistics.median(v / d for v, d in zip(found[_VIP].speeds, found[_SERVER].speeds, strict=True))
        print(f"  {'':24} through the cluster IP {share * 100:.1f} % of direct, round by round")
