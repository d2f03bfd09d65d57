"""Every path of `paths.py`, once through the tracer over the fake and once as real packets through the kernel."""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401 -- an ordinary user's child cannot import it any more, and connect needs it
import random
import socket
import struct
from dataclasses import replace
from functools import partial
from ipaddress import IPv6Address, ip_address, ip_network

import pytest

from fairlead.net import linux
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.net.netlink.model import add_route
from fairlead.net.netlink.run import Netlink
from fairlead.net.trace import Packet, Trace
from fairlead.proxy.planning.backend import Backend, Source
from fairlead.proxy.planning.nodes import node_views
from fairlead.proxy.planning.proxierconfig import ProxierConfig, TrafficDetector, cluster_proxier
from fairlead.service.node import NodeView
from tests.cluster.support import until
from tests.net.cluster import SmallCluster, build, sent_again, serve
from tests.net.sandbox import in_sandbox
from tests.proxy.backends import BOTH, FAKES, KERNELS, NFTABLES, Kind, Tracing, bring, proxier_of
from tests.proxy.objects import NETWORK
from tests.proxy.paths import (
    ADDRESSES,
    BALANCED,
    CASES,
    EXTERNAL,
    GATEWAY,
    NODE_OF,
    NODE_PORT,
    NODES,
    PODS,
    VIP,
    ZONES,
    Case,
    Probe,
    endpoints_of,
    in_six,
    made,
    node_port,
    six,
    to,
)

TIMES = 20
TIMEOUT_S, PATIENCE_S = 0.25, 30.0
"""Timeouts without and with an expected answer."""
ROUTE_LOCALNET = "/proc/sys/net/ipv4/conf/all/route_localnet"


FAMILIES = pytest.mark.parametrize("family", [IPV4, IPV6], ids=lambda family: family.name)


def view(name: str, family: Family = IPV4) -> NodeView:
    views = node_views(name, NETWORK.node_ip(int(name[-1])), BOTH)
    return replace(views[family is IPV6], zone=ZONES[name])


def at(text: str, family: Family) -> str:
    return six(text) if family is IPV6 else text


def of_family(case: Case, family: Family) -> Case:
    return in_six(case) if family is IPV6 else case


class Traced:
    """Both nodes' rules on the fake."""

    def __init__(self, case: Case, family: Family = IPV4, kind: Kind = NFTABLES) -> None:
        self.tracing: dict[str, Tracing] = {}
        self.family = family
        self.rng = random.Random(1)
        for name in NODES:
            backend, self.tracing[name] = kind.fake(proxier_of(family))
            bring(backend, {"default/web": Source(case.service, case.slices)}, view(name, family), whole=True)

    def ask(self, probe: Probe) -> Trace:
        """Returns the fate of the first packet, on the client's node and on the node that it was sent to."""
        # A client of a loopback address also sends from it.
        loopback = ip_address(probe.ip).is_loopback
        source = probe.ip if loopback else at(ADDRESSES[probe.who], self.family)
        home = NODE_OF.get(probe.who)
        packet = Packet(source, probe.ip, probe.port, probe.protocol)
        first: Trace | None = None
        if home is not None:
            first = self.trace(home, replace(packet, link="veth1" if probe.who in PODS else ""))
            if first.fate != "sent" or first.target != target(probe.ip, probe.port):
                return first
        nodes = (name for name, ip in NODES.items() if at(ip, self.family) == probe.ip)
        other = next(nodes, "node1" if home is None else home)
        if other == home:
            assert first is not None
            return first
        return self.trace(other, replace(packet, link="eth0"))

    def trace(self, name: str, packet: Packet) -> Trace:
        return self.tracing[name](view(name, self.family), self.rng).trace(packet)


def target(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def answers_of(probe: Probe, family: Family) -> set[str]:
    return set() if probe.expected in ("refused", "dropped") else {at(PODS[p], family) for p in probe.expected.split()}


@FAKES
@FAMILIES
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_tracer_says_who_answers(case: Case, family: Family, kind: Kind) -> None:
    case = of_family(case, family)
    traced = Traced(case, family, kind)
    for probe in case.probes:
        traces = [traced.ask(probe) for _ in range(TIMES)]
        if probe.expected == "dropped":
            assert {t.fate for t in traces} == {"dropped"}, probe
        elif probe.expected == "refused":
            fates = {t.fate for t in traces}
            nobody_listens = fates == {"sent"} and traces[0].target == target(probe.ip, probe.port)
            assert fates == {kind.refusal(family) if probe.protocol == "tcp" else "unreachable"} or nobody_listens, (
                probe
            )
        else:
            assert {t.target for t in traces} == {target(ip, 8080) for ip in answers_of(probe, family)}, probe
            kept = probe.kept and not (kind.iptables and probe.who in NODES and probe.ip in (VIP, six(VIP)))
            assert {t.masqueraded for t in traces} == {not kept}, probe
            assert all(t.rules for t in traces)


@FAKES
def test_an_address_that_its_balancer_answers_is_left_to_it(kind: Kind) -> None:
    case = next(c for c in CASES if "balancer answers" in c.name)
    assert str(Traced(case, kind=kind).ask(Probe("a", BALANCED, 80, ""))) == f"sent {BALANCED}:80"


@FAKES
def test_pings_and_packets_of_no_connection_are_dropped(kind: Kind) -> None:
    traced = Traced(Case("any", made(), endpoints_of("b")), kind=kind)
    for ip in (VIP, BALANCED):
        assert traced.trace("node1", Packet(PODS["a"], ip, 0, "icmp", link="veth1")).fate == "dropped"
    assert traced.trace("node1", Packet(PODS["a"], PODS["b"], 80, link="veth1", state="invalid")).fate == "dropped"


class Real:
    """Both nodes' rules in the kernel, a server in every pod, and the fabric's routes as a load balancer makes
    them."""

    def __init__(self, proxier: ProxierConfig | None = None, family: Family = IPV4, kind: Kind = NFTABLES) -> None:
        self.family = family
        self.cluster: SmallCluster = build(nodes=2, network=BOTH if family is IPV6 else NETWORK)
        for name, ip in PODS.items():
            ip6 = IPv6Address(six(ip)) if family is IPV6 else None
            pod = self.cluster.add_pod(int(NODE_OF[name][-1]), ip6=ip6)
            assert pod.ip == ip
            serve(pod.netns, at(ip, family), 8080)
        gateway = ip_address(at(NODES["node1"], family))
        with Netlink() as netlink:
            netlink.execute([add_route(ip_network(at(ip, family)), gateway=gateway) for ip in (EXTERNAL, BALANCED)])
        proxier = proxier or proxier_of(family)
        self.backends = {
            name: linux.in_netns(self.cluster.node(int(name[-1])), lambda: kind.kernel(proxier)) for name in NODES
        }
        self._whole = True
        self._settle()

    def _settle(self) -> None:
        """Waits for new links. A new link may lose its first packets: the kernel activates the queue up to a second
        later."""
        for pod in PODS.values():
            for netns in (self.cluster.node(1), self.cluster.node(2)):
                where = (at(pod, self.family), 8080)
                linux.in_netns(netns, partial(socket.create_connection, where, 5)).close()

    def put(self, case: Case) -> None:
        for name, backend in self.backends.items():
            source = {"default/web": Source(case.service, case.slices)}
            bring(backend, source, view(name, self.family), whole=self._whole)
        self._whole = False

    def ask(self, probe: Probe) -> str:
        """Asks again if a packet was: on a busy machine an answer may come after the first repetition is due, but a
        rule that loses packets loses them each time."""
        answers = (self._ask(probe) for _ in range(5))
        return next((answer for answer in answers if answer != "sent again"), "sent again")

    def _ask(self, probe: Probe) -> str:
        if probe.who == "fabric":
            return ask(probe)
        if probe.who in PODS:
            return linux.in_netns(self.cluster.pods[list(PODS).index(probe.who)].netns, lambda: ask(probe))
        return linux.in_netns(self.cluster.node(int(probe.who[-1])), lambda: ask(probe))


def ask(probe: Probe) -> str:
    """Returns `<answering pod> <client address that it saw>`, or `refused`, or `dropped`."""
    kind = socket.SOCK_STREAM if probe.protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET6 if ":" in probe.ip else socket.AF_INET, kind) as peer:
        peer.settimeout(TIMEOUT_S if probe.expected == "dropped" else PATIENCE_S)
        try:
            peer.connect((probe.ip, probe.port))
            if probe.protocol == "udp":
                peer.send(b"?")
            answer = peer.recv(100).decode()
            return "sent again" if probe.protocol == "tcp" and sent_again(peer) else answer
        except TimeoutError:
            return "dropped"
        except (ConnectionRefusedError, PermissionError):
            # A sender on the node itself gets EPERM for a rejected datagram and for a dropped one.
            return "dropped" if probe.expected == "dropped" else "refused"


def check(real: Real, case: Case) -> list[str]:
    wrong = []
    for probe in case.probes:
        expected = answers_of(probe, real.family)
        seen = {real.ask(probe) for _ in range(4 if len(expected) > 1 else 1)}
        answered = {answer.split()[0] for answer in seen}
        good = answered <= expected if expected else answered == {probe.expected}
        if good and expected and probe.who not in NODES:
            clients = {answer.split()[1] for answer in seen}
            good = (clients == {at(ADDRESSES[probe.who], real.family)}) == probe.kept
        if not good:
            wrong.append(f"{case.name}: {probe}: {seen} instead of {probe.expected}, kept={probe.kept}")
    return wrong


def _all_cases(family: Family, kind: Kind) -> list[str]:
    real = Real(family=family, kind=kind)
    wrong = []
    for case in (of_family(case, family) for case in CASES):
        real.put(case)
        wrong += check(real, case)
        outcomes = [asyncio.run(backend.resync()) for backend in real.backends.values()]
        wrong += [f"{case.name}: repaired what nobody touched: {o}" for o in outcomes if o.anything]
    return wrong


@pytest.mark.kernel
@pytest.mark.slow
@KERNELS
@FAMILIES
def test_the_kernel_does_what_the_tracer_says(family: Family, kind: Kind) -> None:
    assert in_sandbox(partial(_all_cases, family, kind), ordinary=True) == []


def _ping(ip: str, patience_s: float) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as peer:
        peer.settimeout(patience_s)
        peer.connect((ip, 0))
        peer.send(b"\x08\0\0\0\0\0\0\0")
        try:
            return bool(peer.recv(100))
        except TimeoutError:
            return False


def _pings(kind: Kind) -> list[bool]:
    real = Real(kind=kind)
    real.put(Case("any", made(), endpoints_of("b")))
    pod = real.cluster.pods[0].netns
    patience = {PODS["c"]: PATIENCE_S, VIP: TIMEOUT_S, BALANCED: TIMEOUT_S}
    return [linux.in_netns(pod, partial(_ping, ip, patience_s)) for ip, patience_s in patience.items()]


@pytest.mark.kernel
@KERNELS
def test_a_pod_answers_a_ping_and_a_services_address_does_not(kind: Kind) -> None:
    assert in_sandbox(partial(_pings, kind)) == [True, False, False]


def counted(backend: Backend, name: str) -> float:
    found = {f.name: f.samples for f in backend.families((), failures=0, cleanup_failures=0)}
    return sum(sample.value for sample in found[f"kubeproxy_iptables_{name}_packets_total"])


def _invalid(kind: Kind) -> list[float]:
    """Sends packets that neither begin a connection nor belong to one: TCP without any flag."""
    real = Real(kind=kind)
    real.put(Case("any", made(), endpoints_of("b")))
    pod, backend = real.cluster.pods[0].netns, real.backends["node1"]
    header = struct.pack("!HHIIBBHHH", 1234, 8080, 1, 1, 5 << 4, 0, 1024, 0, 0)
    seen = [counted(backend, "ct_state_invalid_dropped")]
    with linux.in_netns(pod, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)) as raw:
        for _ in range(3):
            raw.sendto(header, (PODS["c"], 0))
    until("the last of them", lambda: counted(backend, "ct_state_invalid_dropped") >= 3)
    return [*seen, counted(backend, "ct_state_invalid_dropped")]


@pytest.mark.kernel
@KERNELS
def test_packets_of_no_connection_are_dropped_and_counted(kind: Kind) -> None:
    assert in_sandbox(partial(_invalid, kind)) == [0, 3]


def _localhost(kind: Kind) -> list[str]:
    real = Real(kind=kind, proxier=replace(cluster_proxier(NETWORK), node_ports=("0.0.0.0/0",)))
    for name in NODES:
        linux.in_netns(real.cluster.node(int(name[-1])), lambda: linux.put(ROUTE_LOCALNET, "1"))
    seen = []
    for policy in ("Cluster", "Local"):
        real.put(Case("localhost", made(externalTrafficPolicy=policy), endpoints_of("c")))
        seen.append(real.ask(Probe("node1", "127.0.0.1", NODE_PORT, "c")).split()[0])
        seen.append(real.ask(Probe("node2", "127.0.0.1", NODE_PORT, "c")).split()[0])
    if kind.iptables:
        assert counted(real.backends["node1"], "localhost_nodeports_accepted") == 2
    real.put(Case("localhost", made(), endpoints_of()))
    seen.append(real.ask(Probe("node1", "127.0.0.1", NODE_PORT, "refused")))
    return seen


@pytest.mark.kernel
@KERNELS
def test_node_ports_answer_on_a_nodes_loopback_if_configured(kind: Kind) -> None:
    assert in_sandbox(partial(_localhost, kind)) == [PODS["c"]] * 4 + ["refused"]


def _where_told(kind: Kind, family: Family, masquerade_all: bool) -> list[str]:
    """Checks an unusual configuration: node ports at one address, Pods detected by ranges, unknown cluster IPs."""
    assert BOTH.six is not None
    pods = str(BOTH.pod_cidr if family is IPV4 else BOTH.six.pod_cidr)
    one = f"{at(NODES['node1'], family)}/{32 if family is IPV4 else 128}"
    proxier = ProxierConfig(family, TrafficDetector(pods=(pods,)), masquerade_all=masquerade_all, node_ports=(one,))
    real = Real(kind=kind, family=family, proxier=proxier)
    probes = [
        *to("a", VIP, "b", kept=not masquerade_all),
        *to("fabric", VIP, "b", kept=False),
        *to("fabric", EXTERNAL, "b"),
        *node_port("fabric", NODES["node1"], "b"),
        *([] if family is IPV6 else node_port("a", GATEWAY, "refused")),
    ]
    case = of_family(Case("told", made(externalTrafficPolicy="Local"), endpoints_of("b"), probes), family)
    real.put(case)
    return check(real, case)


@pytest.mark.kernel
@KERNELS
@FAMILIES
@pytest.mark.parametrize("masquerade_all", [False, True], ids=["", "masquerade-all"])
def test_node_ports_external_clients_and_masquerading_follow_the_configuration(
    kind: Kind, family: Family, masquerade_all: bool
) -> None:
    assert in_sandbox(partial(_where_told, kind, family, masquerade_all), ordinary=True) == []
