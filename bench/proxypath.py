"""The data path through a cluster IP, against the Pod's own address, in tables of different sizes.

Part of `python -m bench.proxy`. For each size a separate node with the real table, a client and a server Pod. The
client is this process, so the figures are of the kernel's path and the socket calls around it. Direct and through the
cluster IP, small table and large one take turns in short runs, and what is compared are neighbours in time, because the
machine is never the same twice: what is printed is the median of their ratios, and where it lies with 95 % confidence.
How much that says at all is shown by the same comparison of direct runs with the direct runs before them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from typing import Any, NoReturn

from fairlead.api.core.service.kind import Service, ServicePort, ServiceSpec
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointPort, EndpointSlice
from fairlead.api.meta.types import ObjectMeta
from fairlead.net import linux
from fairlead.net.model import ClusterNetwork
from fairlead.net.netlink.run import Netlink
from fairlead.net.topology.run import PodAttacher, add_node, build_fabric
from fairlead.proxy.planning.nodes import node_view
from fairlead.proxy.sync.loop import Proxy
from fairlead.service.node import NodeView
from fairlead.service.wellknown import SERVICE_NAME_LABEL

ROUNDS = 100
_CONNECTS, _EXCHANGES, _BULK = 60, 300, 64 << 20
_NETWORK = ClusterNetwork()
_VIP = "10.96.0.10"
_SHORT, _SINK, _ECHO = 8080, 8081, 8082
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
Where = tuple[str, int]
Apart = Callable[[Callable[[], Any]], Any]
Make = Callable[[NodeView], Proxy]
"""Runs in the network namespace of the calling thread."""


@dataclass
class Path:
    """Results by round. Costs are the client's CPU time in µs, which includes the node's rules for outgoing
    packets."""

    first_us: list[float]
    """The latencies of all connects."""
    connect_us: list[float]
    """Opens and closes a connection."""
    connect_cpu: list[float]
    exchange_us: list[float]
    """Sends a byte and receives one."""
    exchange_cpu: list[float]
    gbit: list[float]
    gigabyte_cpu: list[float]


@dataclass(frozen=True)
class Place:
    """One node: its client's namespace and the addresses that it dials."""

    client: int
    server: str

    def at(self, *, direct: bool) -> str:
        return self.server if direct else _VIP


def _fill(index: int, services: int, make: Make) -> NoReturn:
    """The probed Service among others. In the node's network namespace."""

    async def fill() -> None:
        proxy = make(node_view(f"node{index}", _NETWORK.node_ip(index), _NETWORK))
        for i in range(services):
            numbers = (_SHORT, _SINK, _ECHO) if i == 0 else (_SHORT,)
            key = f"default/s{i}"
            proxy.view.service_changed(key, None, _service(i, numbers))
            proxy.view.slice_changed(f"{key}-x", None, _slice(i, numbers, _pod_ip(index, 0)))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(proxy.run())
            await proxy.synced.wait()
            task.cancel()

    asyncio.run(fill())
    os._exit(0)


def _pod_ip(node: int, number: int) -> str:
    return str(_NETWORK.pod_gateway(node) + 1 + number)


def _service(i: int, numbers: Iterable[int]) -> Service:
    ip = _VIP if i == 0 else f"10.97.{i // 250}.{i % 250 + 1}"
    ports = [ServicePort(name=str(n), port=n, protocol="TCP") for n in numbers]
    return Service(
        metadata=ObjectMeta(name=f"s{i}", namespace="default"),
        spec=ServiceSpec(type="ClusterIP", clusterIP=ip, ports=ports),
    )


def _slice(i: int, numbers: Iterable[int], server: str) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"s{i}-x", namespace="default", labels={SERVICE_NAME_LABEL: f"s{i}"}),
        addressType="IPv4",
        endpoints=[Endpoint(addresses=[server])],
        ports=[EndpointPort(name=str(n), port=n, protocol="TCP") for n in numbers],
    )


def _fork(netns: int, work: Callable[[], NoReturn]) -> int:
    pid = os.fork()
    if pid == 0:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        linux.setns(netns, linux.CLONE_NEWNET)
        try:
            work()
        finally:
            os._exit(1)
    return pid


def _accept_short() -> NoReturn:
    with socket.create_server(("", _SHORT), backlog=4096) as server:
        while True:
            server.accept()[0].close()


def _swallow() -> NoReturn:
    room = bytearray(1 << 20)
    with socket.create_server(("", _SINK)) as server:
        while True:
            peer, _ = server.accept()
            with peer:
                while peer.recv_into(room):
                    pass
                peer.send(b"!")


def _echo() -> NoReturn:
    with socket.create_server(("", _ECHO)) as server:
        while True:
            peer, _ = server.accept()
            with peer:
                while data := peer.recv(16):
                    peer.send(data)


def _connect(path: Path, where: Where) -> None:
    begin, used = time.perf_counter(), time.process_time()
    for _ in range(_CONNECTS):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            start = time.perf_counter()
            sock.connect(where)
            path.first_us.append((time.perf_counter() - start) * 1e6)
    path.connect_cpu.append((time.process_time() - used) * 1e6 / _CONNECTS)
    path.connect_us.append((time.perf_counter() - begin) * 1e6 / _CONNECTS)


def _exchange(path: Path, where: Where) -> None:
    with socket.create_connection(where) as sock:
        begin, used = time.perf_counter(), time.process_time()
        for _ in range(_EXCHANGES):
            sock.send(b"x")
            sock.recv(16)
        path.exchange_cpu.append((time.process_time() - used) * 1e6 / _EXCHANGES)
        path.exchange_us.append((time.perf_counter() - begin) * 1e6 / _EXCHANGES)


def _send(path: Path, where: Where) -> None:
    data, sent = memoryview(bytes(1 << 20)), 0
    with socket.create_connection(where) as sock:
        begin, used = time.perf_counter(), time.process_time()
        while sent < _BULK:
            sent += sock.send(data)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)
        path.gigabyte_cpu.append((time.process_time() - used) * 1e6 / sent * 1e9)
        path.gbit.append(sent * 8 / (time.perf_counter() - begin) / 1e9)


def _wait_for(where: Where) -> None:
    for _ in range(500):
        with socket.socket() as sock:
            if sock.connect_ex(where) == 0:
                return
        time.sleep(0.01)
    raise SystemExit(f"{where} never answered")


def _build(index: int, count: int, services: int, make: Make) -> tuple[Place, list[int]]:
    """A node with its table, and the processes of its server Pod."""
    node = add_node(_NETWORK, index, count)
    attacher = PodAttacher(linux.in_netns(node, Netlink))
    ips = [IPv4Address(_pod_ip(index, n)) for n in (0, 1)]
    pods = []
    for ip in ips:
        netns, _ = linux.new_netns()
        attacher.attach(netns, ip=ip, gateway=_NETWORK.pod_gateway(index), host_ifname=f"pod{int(ip):x}")
        pods.append(netns)
    filling = _fork(node, lambda: _fill(index, services, make))
    if os.waitpid(filling, 0)[1]:
        raise SystemExit(f"no table of {services} Services")
    servers = [_fork(pods[0], work) for work in (_accept_short, _swallow, _echo)]
    return Place(pods[1], str(ips[0])), servers


def measure(sizes: Sequence[int], make: Make) -> list[list[dict[str, Any]]]:
    """For each size the direct path and that through the cluster IP, in namespaces of the caller's own."""
    build_fabric(_NETWORK)
    built = [_build(index, len(sizes), size, make) for index, size in enumerate(sizes, 1)]
    places = [place for place, _ in built]
    found = [[Path([], [], [], [], [], [], []) for _ in range(2)] for _ in sizes]
    for place in places:
        linux.setns(place.client, linux.CLONE_NEWNET)
        for port in (_SHORT, _SINK, _ECHO):
            _wait_for((place.server, port))
    for turn in range(ROUNDS):
        for place, paths in list(zip(places, found, strict=True))[:: 1 if turn % 2 else -1]:
            linux.setns(place.client, linux.CLONE_NEWNET)
            for run, port in ((_connect, _SHORT), (_exchange, _ECHO), (_send, _SINK)):
                for way in (turn & 1, 1 - (turn & 1)):
                    run(paths[way], (place.at(direct=way == 0), port))
    for pid in (pid for _, servers in built for pid in servers):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return [[asdict(path) for path in paths] for paths in found]


def compared(some: Sequence[float], others: Sequence[float]) -> str:
    """The median of the ratios of neighbours, with its interval of 95 % confidence (by ranks)."""
    ratios = sorted(a / b for a, b in zip(some, others, strict=True))
    reach = 0.98 * len(ratios) ** 0.5
    low, high = (ratios[min(max(round(len(ratios) / 2 + d), 0), len(ratios) - 1)] for d in (-reach, reach))
    return f"{statistics.median(ratios):6.3f} [{low:.3f}, {high:.3f}]"


_ROWS = (
    ("Gbit/s", "gbit", 2),
    ("CPU of a GB, ms", "gigabyte_cpu", 1),
    ("a connection, µs", "connect_us", 1),
    ("CPU of it, µs", "connect_cpu", 1),
    ("byte there and back, µs", "exchange_us", 1),
    ("CPU of it, µs", "exchange_cpu", 2),
)


def report(sizes: Sequence[int], apart: Apart, make: Make, backend: str) -> None:
    answer = apart(lambda: measure(sizes, make))
    found = [(Path(**direct), Path(**through)) for direct, through in answer]
    print(f"Data path, {backend}: medians of {ROUNDS} rounds in turns; ratios of neighbours with their 95 % interval")
    print(f"  {'':26}{'direct':>9}{'cluster IP':>11}   {'cluster IP / direct':<24}direct / direct before")
    for size, (direct, through) in zip(sizes, found, strict=True):
        print(f"  among {size:,} Services")
        for name, field, digits in _ROWS:
            a, b = getattr(direct, field), getattr(through, field)
            scale = 1000 if field == "gigabyte_cpu" else 1
            middle = [f"{statistics.median(values) / scale:.{digits}f}" for values in (a, b)]
            print(f"    {name:24}{middle[0]:>9}{middle[1]:>11}   {compared(b, a):<24}{compared(a[1:], a[:-1])}")
        firsts = [f"{statistics.median(p.first_us):.0f} {_p99(p.first_us):.0f}" for p in (direct, through)]
        print(f"    {'first packet p50 p99, µs':24}{firsts[0]:>9}{firsts[1]:>11}")
    if len(sizes) > 1:
        small, large = (statistics.median(through.first_us) for _, through in (found[0], found[-1]))
        by_round = compared(found[-1][1].connect_us, found[0][1].connect_us)
        costs = compared(found[-1][1].connect_cpu, found[0][1].connect_cpu)
        print(f"  among {sizes[-1]:,} / among {sizes[0]:,}: first packet {large:.0f} / {small:.0f} µs")
        print(f"    {'a connection':24}{by_round}   CPU {costs}")


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
