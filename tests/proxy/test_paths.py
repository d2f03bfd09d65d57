"""Every path of `paths.py`, once through the tracer over the fake and once as real packets through the kernel."""

from __future__ import annotations

import encodings.idna  # noqa: F401 -- an ordinary user's child cannot import it any more, and connect needs it
import random
import socket
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from fairlead.net import linux
from fairlead.net.netlink.model import add_route
from fairlead.net.netlink.run import Netlink
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.run import NftKernel
from fairlead.net.nft.trace import Packet, Trace, Tracer
from fairlead.proxy.endpoints import NodeView
from fairlead.proxy.ledger import Ledger
from fairlead.proxy.plan import plan_service
from fairlead.proxy.rules import TABLE, Options, fixed_table
from tests.net.cluster import SmallCluster, build, serve
from tests.net.sandbox import in_sandbox
from tests.proxy.objects import NETWORK, node
from tests.proxy.paths import (
    ADDRESSES,
    BALANCED,
    CASES,
    EXTERNAL,
    NODE_OF,
    NODE_PORT,
    NODES,
    PODS,
    VIP,
    ZONES,
    Case,
    Probe,
    behind,
    made,
)

TIMES = 12
TIMEOUT_S = 0.25
ROUTE_LOCALNET = "/proc/sys/net/ipv4/conf/all/route_localnet"


def view(name: str) -> NodeView:
    return replace(node(int(name[-1])), zone=ZONES[name])


class Traced:
    """Both nodes' tables on the fake."""

    def __init__(self, case: Case) -> None:
        self.tables = {}
        self.rng = random.Random(1)
        for name in NODES:
            nft, ledger = FakeNft(), Ledger(fixed_table(NETWORK))
            nft.run(ledger.take({"web": plan_service(case.service, case.slices, node=view(name))}))
            self.tables[name] = nft.tables[TABLE]

    def ask(self, probe: Probe) -> Trace:
        """What becomes of the first packet on its client's node, and on the node that it was sent to."""
        source, at = ADDRESSES[probe.who], NODE_OF.get(probe.who)
        packet = Packet(source, probe.ip, probe.port, probe.protocol)
        first: Trace | None = None
        if at is not None:
            first = self.trace(at, replace(packet, link="veth1" if probe.who in PODS else ""))
            if first.fate != "sent" or first.target != f"{probe.ip}:{probe.port}":
                return first
        other = next((name for name, ip in NODES.items() if ip == probe.ip), "node1" if at is None else at)
        if other == at:
            assert first is not None
            return first
        return self.trace(other, replace(packet, link="eth0"))

    def trace(self, name: str, packet: Packet) -> Trace:
        tracer = Tracer(self.tables[name], local=view(name).addresses, rng=self.rng)
        return tracer.trace(packet)


def answers_of(probe: Probe) -> set[str]:
    return set() if probe.expected in ("refused", "dropped") else {PODS[p] for p in probe.expected.split()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_tracer_says_who_answers(case: Case) -> None:
    traced = Traced(case)
    for probe in case.probes:
        traces = [traced.ask(probe) for _ in range(TIMES)]
        if probe.expected == "dropped":
            assert {t.fate for t in traces} == {"dropped"}, probe
        elif probe.expected == "refused":
            fates = {t.fate for t in traces}
            nobody_listens = fates == {"sent"} and traces[0].target == f"{probe.ip}:{probe.port}"
            assert fates == {"reset" if probe.protocol == "tcp" else "unreachable"} or nobody_listens, probe
        else:
            assert {t.target for t in traces} == {f"{ip}:8080" for ip in answers_of(probe)}, probe
            assert {t.masqueraded for t in traces} == {not probe.kept}, probe
            assert all(t.rules for t in traces)


def test_an_address_that_its_balancer_answers_is_left_to_it() -> None:
    case = next(c for c in CASES if "balancer answers" in c.name)
    assert str(Traced(case).ask(Probe("a", BALANCED, 80, ""))) == f"sent {BALANCED}:80"


def test_pings_and_packets_of_no_connection_are_dropped() -> None:
    traced = Traced(Case("any", made(), behind("b")))
    for ip in (VIP, BALANCED):
        assert traced.trace("node1", Packet(PODS["a"], ip, 0, "icmp", link="veth1")).fate == "dropped"
    assert traced.trace("node1", Packet(PODS["a"], PODS["b"], 80, link="veth1", state="invalid")).fate == "dropped"


class Real:
    """Both nodes' tables on the kernel, a server in every pod, and the fabric's routes as a balancer makes them."""

    def __init__(self, options: Options | None = None) -> None:
        self.cluster: SmallCluster = build(nodes=2)
        for name, ip in PODS.items():
            pod = self.cluster.add_pod(int(NODE_OF[name][-1]))
            assert pod.ip == ip
            serve(pod.netns, ip, 8080)
        gateway = IPv4Address(NODES["node1"])
        with Netlink() as netlink:
            netlink.run([add_route(IPv4Network(ip), gateway=gateway) for ip in (EXTERNAL, BALANCED)])
        table = fixed_table(NETWORK, options=options)
        self.nodes = {
            name: (linux.in_netns(self.cluster.node(int(name[-1])), NftKernel), Ledger(table)) for name in NODES
        }

    def put(self, case: Case) -> None:
        for name, (kernel, ledger) in self.nodes.items():
            plan = plan_service(case.service, case.slices, node=view(name))
            for part in ledger.take({"web": plan}).split():
                kernel.run(part)
                ledger.done(part)

    def ask(self, probe: Probe) -> str:
        if probe.who == "fabric":
            return ask(probe)
        if probe.who in PODS:
            return linux.in_netns(self.cluster.pods[list(PODS).index(probe.who)].netns, lambda: ask(probe))
        return linux.in_netns(self.cluster.node(int(probe.who[-1])), lambda: ask(probe))


def ask(probe: Probe) -> str:
    """`<who answered> <whom it saw>`, or `refused`, or `dropped`."""
    kind = socket.SOCK_STREAM if probe.protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as peer:
        peer.settimeout(TIMEOUT_S)
        try:
            peer.connect((probe.ip, probe.port))
            if probe.protocol == "udp":
                peer.send(b"?")
            return peer.recv(100).decode()
        except TimeoutError:
            return "dropped"
        except (ConnectionRefusedError, PermissionError):
            # A sender on the node itself is told of a rejected datagram, and of a dropped one, by EPERM.
            return "dropped" if probe.expected == "dropped" else "refused"


def check(real: Real, case: Case) -> list[str]:
    wrong = []
    for probe in case.probes:
        expected = answers_of(probe)
        seen = {real.ask(probe) for _ in range(4 if len(expected) > 1 else 1)}
        answered = {answer.split()[0] for answer in seen}
        good = answered <= expected if expected else answered == {probe.expected}
        if good and expected and probe.who not in NODES:
            clients = {answer.split()[1] for answer in seen}
            good = (clients == {ADDRESSES[probe.who]}) == probe.kept
        if not good:
            wrong.append(f"{case.name}: {probe}: {seen} instead of {probe.expected}, kept={probe.kept}")
    return wrong


def _all_cases() -> list[str]:
    real = Real()
    wrong = []
    for case in CASES:
        real.put(case)
        wrong += check(real, case)
    return wrong


@pytest.mark.kernel
@pytest.mark.slow
def test_the_kernel_does_what_the_tracer_says() -> None:
    assert in_sandbox(_all_cases, ordinary=True) == []


def _ping(ip: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as peer:
        peer.settimeout(TIMEOUT_S)
        peer.connect((ip, 0))
        peer.send(b"\x08\0\0\0\0\0\0\0")
        try:
            return bool(peer.recv(100))
        except TimeoutError:
            return False


def _pings() -> list[bool]:
    real = Real()
    real.put(Case("any", made(), behind("b")))
    pod = real.cluster.pods[0].netns
    return [linux.in_netns(pod, lambda ip=ip: _ping(ip)) for ip in (PODS["c"], VIP, BALANCED)]  # type: ignore[misc]


@pytest.mark.kernel
def test_a_pod_answers_a_ping_and_a_services_address_does_not() -> None:
    assert in_sandbox(_pings) == [True, False, False]


def _localhost() -> list[str]:
    real = Real(Options(localhost=True))
    for name in NODES:
        linux.in_netns(real.cluster.node(int(name[-1])), lambda: linux.put(ROUTE_LOCALNET, "1"))
    seen = []
    for policy in ("Cluster", "Local"):
        real.put(Case("localhost", made(externalTrafficPolicy=policy), behind("c")))
        seen.append(real.ask(Probe("node1", "127.0.0.1", NODE_PORT, "c")).split()[0])
        seen.append(real.ask(Probe("node2", "127.0.0.1", NODE_PORT, "c")).split()[0])
    real.put(Case("localhost", made(), behind()))
    seen.append(real.ask(Probe("node1", "127.0.0.1", NODE_PORT, "refused")))
    return seen


@pytest.mark.kernel
def test_node_ports_answer_on_a_nodes_loopback_where_that_is_wanted() -> None:
    assert in_sandbox(_localhost) == [PODS["c"]] * 4 + ["refused"]
