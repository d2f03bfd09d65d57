"""Connections dialled at a steady rate while Services change: a SYN that the rules lose is sent again, and counted.

`python -m bench.synloss [--backend nftables|iptables|iptables-legacy] [--family 4|6] [--connections N] [--changes N]
[--rate N]`. In new user and network namespaces: a node with the real proxy loop and the kernel's rules, a
client, and four "pods" that accept. Every change leaves each dialled Service with endpoints that accept, so that no
connection has a reason to be lost. What counts is the client kernel's own count of SYNs sent again (TcpExt
TCPSynRetrans), and what `connect` refused. The same run without changes comes first.

Servers and the client are separate processes. An accepting thread beside the proxy falls behind, its backlog
overflows, and the SYN that is dropped then looks like one that the rules lost; overflows are counted, to tell them
apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address
from typing import NoReturn

from bench.backends import NAMES, kernel_proxy, until
from bench.proxy import apart
from fairlead.api.core.service.kind import ClientIPConfig, Service, ServicePort, ServiceSpec, SessionAffinityConfig
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointPort, EndpointSlice
from fairlead.api.meta.types import ObjectMeta
from fairlead.net import linux
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.net.model import ClusterNetwork, Network6
from fairlead.net.netlink.run import Netlink
from fairlead.net.topology.run import PodAttacher, add_node, build_fabric
from fairlead.proxy.planning.nodes import node_views
from fairlead.proxy.sync.loop import Proxy
from fairlead.service.wellknown import SERVICE_NAME_LABEL

PODS = 4
DIALLED = 50
"""Services; others come and go beside them."""
_PORT, _BACKLOG = 8080, 4096
_SIX = Network6()
_NETWORK = ClusterNetwork(six=_SIX)
_CLIENT, _FIRST_POD = 2, 10
"""Numbers of addresses."""
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""Leaves no connection in TIME_WAIT: the client's ports would run out."""
_CATCH_UP_S = 0.02
"""Seconds for which a delayed client catches up at most."""


@dataclass
class Result:
    backend: str
    family: str
    changes: int = 0
    seconds: float = 0.0
    connections: int = 0
    sent_again: int = 0
    """Retransmitted SYNs, counted by the client's kernel."""
    failed: list[str] = field(default_factory=list)
    longest_ms: float = 0.0
    overflows: int = 0
    """Connections that the pods' kernels dropped because a backlog was full."""

    @property
    def good(self) -> bool:
        return not (self.sent_again or self.failed)


def _pod_ip(family: Family, number: int) -> str:
    six = _SIX.pod_cidr_of(1).network_address + number
    return f"10.244.1.{number}" if family is IPV4 else str(six)


def _cluster_ip(family: Family, service: int) -> str:
    cidr = _NETWORK.service_cidr if family is IPV4 else _SIX.service_cidr
    return str(cidr.network_address + 1000 + service)


def _service(family: Family, i: int, *, sticky: bool = False) -> Service:
    ip = _cluster_ip(family, i)
    spec = ServiceSpec(type="ClusterIP", clusterIP=ip, clusterIPs=[ip], ports=[ServicePort(port=80, protocol="TCP")])
    if sticky:
        spec.sessionAffinity = "ClientIP"
        spec.sessionAffinityConfig = SessionAffinityConfig(clientIP=ClientIPConfig(timeoutSeconds=60))
    return Service(metadata=ObjectMeta(name=f"s{i}", namespace="syn"), spec=spec)


def _slice(family: Family, i: int, pods: Iterable[int]) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"s{i}-x", namespace="syn", labels={SERVICE_NAME_LABEL: f"s{i}"}),
        addressType=family.name,
        endpoints=[Endpoint(addresses=[_pod_ip(family, _FIRST_POD + p)], nodeName="node1") for p in sorted(pods)],
        ports=[EndpointPort(port=_PORT, protocol="TCP")],
    )


class _Stage:
    """The node and the pods' servers."""

    def __init__(self) -> None:
        build_fabric(_NETWORK)
        self.node = add_node(_NETWORK, 1, 1)
        attacher = PodAttacher(linux.in_netns(self.node, Netlink))
        self.client = self._pod(attacher, _CLIENT)
        self.pods = [self._pod(attacher, _FIRST_POD + p) for p in range(PODS)]

    def _pod(self, attacher: PodAttacher, number: int) -> int:
        netns, _ = linux.new_netns()
        attacher.attach(
            netns,
            ip=IPv4Address(f"10.244.1.{number}"),
            gateway=_NETWORK.pod_gateway(1),
            ip6=_SIX.pod_cidr_of(1).network_address + number,
            host_ifname=f"pod{number}",
        )
        return netns

    @contextmanager
    def serving(self) -> Iterator[None]:
        servers = []
        try:
            for netns in self.pods:
                listener = linux.in_netns(netns, _listen)
                servers.append(_fork(lambda listener=listener: _accept(listener)))  # type: ignore[misc]
                listener.close()
            yield
        finally:
            for pid in servers:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def overflows(self) -> int:
        return sum(_counter(netns, "ListenOverflows") + _counter(netns, "ListenDrops") for netns in self.pods)


def _listen() -> socket.socket:
    return socket.create_server(("::", _PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)


def _accept(listener: socket.socket) -> NoReturn:
    """Keeps each connection until its client resets it. A server that closes first may keep the connection's state: the
    next SYN from that port is then answered by an ACK, and sent again at once, though none was lost."""
    peers: dict[int, socket.socket] = {}
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                peer = listener.accept()[0]
                peers[peer.fileno()] = peer
                poll.register(peer.fileno(), select.EPOLLIN)
            else:
                poll.unregister(fd)
                peers.pop(fd).close()


def _fork(work: Callable[[], NoReturn]) -> int:
    pid = os.fork()
    if pid == 0:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        try:
            work()
        finally:
            os._exit(1)
    return pid


def _counter(netns: int, name: str) -> int:
    """Returns a TcpExt counter of a network namespace."""

    def read() -> int:
        with open("/proc/thread-self/net/netstat", encoding="ascii") as f:
            heads, values = [line.split() for line in f if line.startswith("TcpExt:")]
        return int(dict(zip(heads, values, strict=True))[name])

    return linux.in_netns(netns, read)


class _Client:
    """A process that dials Services in turn, at a steady rate, until it is stopped and has dialled enough."""

    def __init__(self, netns: int, family: Family, *, connections: int, rate: float) -> None:
        self._told, tell = os.pipe()
        self._answers, answer = os.pipe()
        self._tell = tell

        def work() -> NoReturn:
            os.close(tell)
            linux.setns(netns, linux.CLONE_NEWNET)
            report = _dial(family, self._told, connections=connections, rate=rate)
            os.write(answer, json.dumps(report).encode())
            os._exit(0)

        self.pid = _fork(work)
        os.close(answer)

    async def report(self) -> tuple[int, list[str], float]:
        """Stops the process. Returns the number of connections, the failures, and the longest time in ms."""
        os.close(self._tell)
        text = await asyncio.to_thread(self._rest)
        connections, failed, longest = json.loads(text)
        return connections, failed, longest

    def _rest(self) -> str:
        with open(self._answers, encoding="ascii") as f:
            text = f.read()
        os.waitpid(self.pid, 0)
        os.close(self._told)
        return text


def _dial(family: Family, told: int, *, connections: int, rate: float) -> tuple[int, list[str], float]:
    os.set_blocking(told, False)
    made, longest, failed = 0, 0.0, list[str]()
    due = time.monotonic()
    while True:
        if made + len(failed) >= connections and _ended(told):
            return made, failed, longest * 1e3
        due = max(due + 1 / rate, time.monotonic() - _CATCH_UP_S)
        time.sleep(max(due - time.monotonic(), 0.0))
        service = random.randrange(DIALLED)
        start = time.monotonic()
        try:
            with socket.create_connection((_cluster_ip(family, service), 80), timeout=10) as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            made += 1
        except OSError as error:
            failed.append(f"s{service}: {error!r}")
        longest = max(longest, time.monotonic() - start)


def _ended(told: int) -> bool:
    try:
        return os.read(told, 1) == b""
    except BlockingIOError:
        return False


class _Changer:
    """Changes Services in the proxy's view, one at a time."""

    def __init__(self, proxy: Proxy, family: Family, rng: random.Random) -> None:
        self._proxy = proxy
        self._family = family
        self._rng = rng
        self._pods = [frozenset(range(PODS))] * DIALLED
        self._others: dict[int, Service] = {}

    def fill(self) -> None:
        for i, pods in enumerate(self._pods):
            self._proxy.view.service_changed(f"syn/s{i}", None, _service(self._family, i))
            self._proxy.view.slice_changed(f"syn/s{i}-x", None, _slice(self._family, i, pods))

    async def change(self) -> None:
        before = self._proxy.stats.changes
        if self._rng.random() < 0.1:
            self._other()
        else:
            self._endpoints()
        await until(lambda: self._proxy.stats.changes != before)

    def _endpoints(self) -> None:
        """Adds or removes one endpoint of a dialled Service; one endpoint always stays."""
        i = self._rng.randrange(DIALLED)
        old = self._pods[i]
        changed = self._rng.choice([p for p in range(PODS) if p != i % PODS])
        self._pods[i] = old ^ {changed}
        args = _slice(self._family, i, old), _slice(self._family, i, self._pods[i])
        self._proxy.view.slice_changed(f"syn/s{i}-x", *args)

    def _other(self) -> None:
        """Adds or deletes a Service that is not dialled, with its slice."""
        i = DIALLED + self._rng.randrange(20)
        pods = range(1 + self._rng.randrange(PODS))
        old = self._others.pop(i, None)
        if old is None:
            self._others[i] = _service(self._family, i, sticky=self._rng.random() < 0.5)
            self._proxy.view.slice_changed(f"syn/s{i}-x", None, _slice(self._family, i, pods))
        self._proxy.view.service_changed(f"syn/s{i}", old, self._others.get(i))


async def _measure(result: Result, family: Family, *, connections: int, changes: int, rate: float) -> None:
    stage = _Stage()
    view = node_views("node1", IPv4Address("172.30.0.11"), _NETWORK)[family is IPV6]
    proxy = linux.in_netns(stage.node, lambda: kernel_proxy(result.backend, view, _NETWORK))
    changer = _Changer(proxy, family, random.Random(1))
    changer.fill()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(proxy.run())
        await proxy.synced.wait()
        with stage.serving():
            before = _counter(stage.client, "TCPSynRetrans"), stage.overflows()
            client = _Client(stage.client, family, connections=connections, rate=rate)
            start = time.perf_counter()
            while result.changes < changes:
                await changer.change()
                result.changes += 1
                due = start + result.changes * connections / rate / changes
                await asyncio.sleep(max(due - time.perf_counter(), 0.0))
            result.connections, result.failed, result.longest_ms = await client.report()
            result.seconds = time.perf_counter() - start
            result.sent_again = _counter(stage.client, "TCPSynRetrans") - before[0]
            result.overflows = stage.overflows() - before[1]
        task.cancel()


def run(*, backend: str, family: Family, connections: int, changes: int, rate: float = 2000.0) -> Result:
    """Runs in the caller's network namespace, which must be a separate one."""
    result = Result(backend, family.name)
    asyncio.run(_measure(result, family, connections=connections, changes=changes, rate=rate))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.synloss")
    parser.add_argument("--backend", choices=NAMES, action="append", help="default: nftables and iptables")
    parser.add_argument("--family", choices=("4", "6"), action="append", help="default: both")
    parser.add_argument("--connections", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=2000.0, help="connections a second")
    given = parser.parse_args()
    good = True
    print("backend          family changes connections  seconds  SYNs again  failed  overflows  longest ms")
    for backend in given.backend or ("nftables", "iptables"):
        for number in given.family or ("4", "6"):
            family = IPV4 if number == "4" else IPV6
            for changes in (0, given.changes):
                found = Result(**apart(lambda: asdict(_run(given, backend, family, changes))))  # noqa: B023
                good &= found.good
                print(
                    f"{backend:16} {found.family:6} {found.changes:7,} {found.connections:11,} {found.seconds:8.1f} "
                    f"{found.sent_again:11} {len(found.failed):7} {found.overflows:10} {found.longest_ms:11.1f} "
                    f"{found.failed[:3] or ''}",
                    flush=True,
                )
    sys.exit(not good)


def _run(given: argparse.Namespace, backend: str, family: Family, changes: int) -> Result:
    return run(backend=backend, family=family, connections=given.connections, changes=changes, rate=given.rate)


if __name__ == "__main__":
    main()
