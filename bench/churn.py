"""Clients that connect while endpoints change: no client may reach a wrong Service or be refused without need.

`python -m bench.churn [--backend nftables|iptables|iptables-legacy] [changes] [seconds]`. In new user and network
namespaces: a node with the real proxy loop and kernel table, a client, and four "pods" each of which
answers for a whole range of addresses, so that no two Services share an endpoint and an answer says which one it
was. One endpoint of each Service stays throughout.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from bench.backends import NAMES, fake_backend, kernel_backend, kernel_proxy, until
from bench.proxy import enter_namespaces
from fairlead.api.core.service.kind import Service, ServicePort, ServiceSpec
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointPort, EndpointSlice
from fairlead.api.meta.types import ObjectMeta
from fairlead.net import linux
from fairlead.net.model import ClusterNetwork
from fairlead.net.netlink.model import add_local_range, add_route
from fairlead.net.netlink.run import Netlink
from fairlead.net.topology.plan import pod_link_index
from fairlead.net.topology.run import PodAttacher, add_node, build_fabric
from fairlead.net.trace import Packet
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.planning.nodes import node_view
from fairlead.proxy.planning.proxierconfig import cluster_proxier
from fairlead.proxy.sync.loop import Proxy
from fairlead.service.wellknown import SERVICE_NAME_LABEL

REPLICAS = 4
CLIENTS = 2
_PORT = 8080
_NETWORK = ClusterNetwork()
_NODE = node_view("node1", IPv4Address("172.30.0.11"), _NETWORK)
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""Leaves no connection in TIME_WAIT: the clients' ports would run out."""


@dataclass
class Result:
    backend: str
    connections: int = 0
    changes: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    """Connections that reached an endpoint which their Service did not have meanwhile."""
    refused: list[str] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    """Differences at the end between the kernel's table, the plan and the tracer."""


def address_of(service: int, replica: int) -> str:
    return f"10.{200 + replica}.{service // 250}.{service % 250 + 1}"


def cluster_ip(service: int) -> str:
    return f"10.97.{service // 250}.{service % 250 + 1}"


def make_service(i: int) -> Service:
    return Service(
        metadata=ObjectMeta(name=f"s{i}", namespace="churn"),
        spec=ServiceSpec(type="ClusterIP", clusterIP=cluster_ip(i), ports=[ServicePort(port=80, protocol="TCP")]),
    )


def make_slice(i: int, replicas: Iterable[int]) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"s{i}-x", namespace="churn", labels={SERVICE_NAME_LABEL: f"s{i}"}),
        addressType="IPv4",
        endpoints=[Endpoint(addresses=[address_of(i, r)], nodeName="node1") for r in sorted(replicas)],
        ports=[EndpointPort(port=_PORT, protocol="TCP")],
    )


class Stage:
    """The node, its pods and the servers in them."""

    def __init__(self) -> None:
        build_fabric(_NETWORK)
        self.node = add_node(_NETWORK, 1, 1)
        netlink = linux.in_netns(self.node, Netlink)
        attacher = PodAttacher(netlink)
        self.client = self._pod(attacher, 2)
        for replica in range(REPLICAS):
            ip, block = IPv4Address(f"10.244.1.{10 + replica}"), IPv4Network(f"10.{200 + replica}.0.0/16")
            netns = self._pod(attacher, 10 + replica)
            # By the pod's own address: the kernel keeps no more than 1,024 neighbours.
            netlink.execute([add_route(block, gateway=ip, link=pod_link_index(ip), onlink=True)])
            linux.in_netns(netns, lambda block=block: _take_range(block))  # type: ignore[misc]
            server = linux.in_netns(netns, lambda: socket.create_server(("", _PORT), backlog=1024))
            threading.Thread(target=_answer, args=(server,), daemon=True).start()

    def _pod(self, attacher: PodAttacher, number: int) -> int:
        netns, _ = linux.new_netns()
        ip = IPv4Address(f"10.244.1.{number}")
        attacher.attach(netns, ip=ip, gateway=_NETWORK.pod_gateway(1), host_ifname=f"pod{number}")
        return netns


def _take_range(block: IPv4Network) -> None:
    with Netlink() as netlink:
        netlink.execute([add_local_range(block)])


def _answer(server: socket.socket) -> None:
    """Answers with the address that was dialled."""
    while True:
        with contextlib.suppress(ConnectionError):
            peer, _ = server.accept()
            with peer:
                peer.sendall(peer.getsockname()[0].encode())


class Clients:
    """Threads that dial Services at random and check the answers."""

    def __init__(self, stage: Stage, services: int, result: Result, *, seed: int) -> None:
        self.ready = [frozenset(range(REPLICAS))] * services
        """The desired replicas of each Service."""
        self.applied = list(self.ready)
        """The replicas in the kernel; during a change either set may answer."""
        self._stage = stage
        self._result = result
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(random.Random(seed + n),)) for n in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, rng: random.Random) -> None:
        linux.setns(self._stage.client, linux.CLONE_NEWNET)
        while not self._stop.is_set():
            self._dial(rng.randrange(len(self.ready)))

    def _dial(self, i: int) -> None:
        allowed = self.ready[i] | self.applied[i]
        try:
            with socket.create_connection((cluster_ip(i), 80), timeout=2) as peer:
                answered = peer.recv(20).decode()
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        except OSError as error:
            self._result.refused.append(f"s{i}: {error!r}")
            return
        allowed |= self.ready[i] | self.applied[i]
        self._result.connections += 1
        if answered not in {address_of(i, r) for r in allowed}:
            self._result.wrong.append(f"s{i}: {answered} is none of {sorted(allowed)}")


async def _churn(stage: Stage, result: Result, *, services: int, changes: int, seconds: float, seed: int) -> None:
    rng = random.Random(seed)
    proxy = linux.in_netns(stage.node, lambda: kernel_proxy(result.backend, _NODE, _NETWORK))
    clients = Clients(stage, services, result, seed=seed)
    pieces = [make_slice(i, ready) for i, ready in enumerate(clients.ready)]
    for i, piece in enumerate(pieces):
        proxy.view.service_changed(f"churn/s{i}", None, make_service(i))
        proxy.view.slice_changed(f"churn/s{i}-x", None, piece)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(proxy.run())
        await proxy.synced.wait()
        clients.start()
        start = time.perf_counter()
        try:
            while result.changes < changes:
                await _one_turn(proxy, clients, pieces, rng)
                result.changes += 1
                await asyncio.sleep(max(start + result.changes * seconds / changes - time.perf_counter(), 0.0))
        finally:
            result.seconds = time.perf_counter() - start
            clients.stop()
            task.cancel()
    result.disagreements = await _compare(stage, result.backend, clients.ready)


async def _one_turn(proxy: Proxy, clients: Clients, pieces: list[EndpointSlice], rng: random.Random) -> None:
    i = rng.randrange(len(pieces))
    # Each Service keeps one endpoint; another one is added or removed.
    changed = rng.choice([r for r in range(REPLICAS) if r != i % REPLICAS])
    clients.ready[i] = clients.ready[i] ^ {changed}
    new = make_slice(i, clients.ready[i])
    seen = proxy.stats.changes
    proxy.view.slice_changed(f"churn/s{i}-x", pieces[i], new)
    pieces[i] = new
    # Not the next sync: that may be a look which makes no change.
    await until(lambda: proxy.stats.changes != seen)
    clients.applied[i] = clients.ready[i]


async def _compare(stage: Stage, name: str, ready: list[frozenset[int]]) -> list[str]:
    """Compares the kernel's rules with a new plan, and the tracer's result with the server that answers."""
    wanted = {f"churn/s{i}": Source(make_service(i), [make_slice(i, replicas)]) for i, replicas in enumerate(ready)}
    real = linux.in_netns(stage.node, lambda: kernel_backend(name, cluster_proxier(_NETWORK), _NETWORK))
    fake, tracing = fake_backend(name, _NETWORK)
    for backend in (real, fake):
        backend.plan(wanted, node=_NODE)
    outcome = await real.resync()
    wrong = [f"the kernel differs: {outcome}"] if outcome.anything else []
    await fake.resync()
    trace = tracing(_NODE)
    for i in range(0, len(ready), max(len(ready) // 20, 1)):
        packet = Packet("10.244.1.2", cluster_ip(i), 80, link="pod2")
        traced = Counter(trace(packet).target.partition(":")[0] for _ in range(60))
        if set(traced) != {address_of(i, r) for r in ready[i]}:
            wrong.append(f"s{i}: the tracer says {sorted(traced)}")
        said = linux.in_netns(stage.client, lambda i=i: _ask(i))  # type: ignore[misc]
        if said not in traced:
            wrong.append(f"s{i}: {said} answered, which the tracer does not know of")
    return wrong


def _ask(i: int) -> str:
    with socket.create_connection((cluster_ip(i), 80), timeout=2) as peer:
        return peer.recv(20).decode()


def run(
    *, services: int = 1000, changes: int = 5000, seconds: float = 30.0, seed: int = 1, backend: str = "nftables"
) -> Result:
    """Runs in the caller's network namespace, which must be a separate one."""
    result = Result(backend)
    stage = Stage()
    asyncio.run(_churn(stage, result, services=services, changes=changes, seconds=seconds, seed=seed))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.churn")
    parser.add_argument("--backend", default="nftables", choices=NAMES)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("changes", nargs="?", type=int, default=5000)
    parser.add_argument("seconds", nargs="?", type=float, default=30.0)
    given = parser.parse_args()
    enter_namespaces()
    result = run(services=given.services, changes=given.changes, seconds=given.seconds, backend=given.backend)
    what = f"{given.services:,} Services, {result.changes} changes of endpoints in {result.seconds:.1f} s"
    print(f"churn, {given.backend}, {what}")
    print(f"  connections     {result.connections:8}")
    print(f"  wrong Service   {len(result.wrong):8}  {result.wrong[:3] or ''}")
    print(f"  refused         {len(result.refused):8}  {result.refused[:3] or ''}")
    print(f"  at the end      {result.disagreements[:3] or 'tracer, plan and kernel agree'}")
    sys.exit(bool(result.wrong or result.refused or result.disagreements))


if __name__ == "__main__":
    main()
