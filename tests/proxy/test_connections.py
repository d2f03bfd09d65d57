"""Clients while Services change: open connections, session affinity, stale UDP flows."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time
from functools import partial
from typing import Any

import pytest

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.net import linux
from fairlead.net.conntrack.model import Flow
from fairlead.net.conntrack.run import Conntrack
from fairlead.net.family import IPV6, Family
from fairlead.net.iptables.run import IptablesKernel
from fairlead.net.nft.run import NftKernel
from fairlead.net.trace import Packet
from fairlead.proxy.iptables.rules import chain_name
from fairlead.proxy.planning.backend import Source, UdpFrontend
from fairlead.proxy.sync.conntrack import Destinations, stale_entries
from tests.cluster.support import in_one_of
from tests.net.sandbox import in_sandbox
from tests.proxy.backends import FAKES, IPTABLES, KERNELS, NFTABLES, Kind, bring, proxier_of
from tests.proxy.objects import NETWORK, node, sticky
from tests.proxy.paths import BALANCED, EXTERNAL, NODE_PORT, NODES, PODS, VIP, Case, Probe, endpoints_of, made
from tests.proxy.test_paths import FAMILIES, Real, of_family, view
from tests.proxy.test_paths import at as in_family

EVERY = endpoints_of("a", "b", "c")
OUTSIDE = "198.51.100.4"
N1 = NODES["node1"]


class Node1:
    """The first node's rules on the fake."""

    def __init__(self, kind: Kind, made: Service, slices: list[EndpointSlice]) -> None:
        self.backend, self._tracing = kind.fake(proxier_of())
        self.rng = random.Random(3)
        self.put(made, slices, whole=True)

    def put(self, made: Service | None, slices: list[EndpointSlice], *, whole: bool = False) -> None:
        bring(self.backend, {"default/web": Source(made, slices)}, node(), whole=whole)

    def send(self, packet: Packet) -> str:
        return self._tracing(node(), self.rng).trace(packet).target

    def stale(self, *flows: Flow, changed: frozenset[UdpFrontend] | None = None) -> list[Flow]:
        context = Destinations(frozenset(node().addresses), (NETWORK.service_cidr,))
        return list(stale_entries(flows, self.backend, context, changed=changed))


def from_outside(client: int, ip: str = EXTERNAL, port: int = 80) -> Packet:
    return Packet(f"198.51.100.{client}", ip, port, link="eth0")


@FAKES
@pytest.mark.parametrize(("ip", "port"), [(VIP, 80), (EXTERNAL, 80), (BALANCED, 80), (N1, NODE_PORT)])
def test_clients_stick_at_every_address(ip: str, port: int, kind: Kind) -> None:
    at = Node1(kind, made(**sticky()), EVERY)
    first = {c: at.send(from_outside(c, ip, port)) for c in range(40)}
    assert set(first.values()) == {f"{p}:8080" for p in PODS.values()}
    assert {c: at.send(from_outside(c, ip, port)) for c in range(40)} == first
    at.put(made(**sticky()), endpoints_of("a", "b"))
    second = {c: at.send(from_outside(c, ip, port)) for c in range(40)}
    assert all(second[c] == first[c] for c in first if PODS["c"] not in first[c])


@FAKES
def test_a_services_addresses_are_stuck_to_apart_by_nftables_and_together_by_iptables(kind: Kind) -> None:
    """An endpoint in upstream's chains remembers its clients, whatever address they used."""
    at = Node1(kind, made(**sticky()), EVERY)
    apart = [c for c in range(40) if at.send(from_outside(c)) != at.send(from_outside(c, N1, NODE_PORT))]
    assert bool(apart) != kind.iptables


@FAKES
def test_a_client_from_outside_that_stuck_to_another_node_is_moved_when_the_service_keeps_traffic_on_its_node(
    kind: Kind,
) -> None:
    at = Node1(kind, made(**sticky()), EVERY)
    assert {at.send(from_outside(c)) for c in range(40)} == {f"{p}:8080" for p in PODS.values()}
    at.put(made(externalTrafficPolicy="Local", **sticky()), EVERY)
    moved = {c: at.send(from_outside(c)) for c in range(40)}
    assert set(moved.values()) == {f"{PODS['a']}:8080", f"{PODS['b']}:8080"}
    assert {c: at.send(from_outside(c)) for c in range(40)} == moved
    at.put(made(**sticky()), EVERY)
    again = {c: at.send(from_outside(c)) for c in range(40)}
    # Upstream's chains identify a client by its endpoint, so the client stays there.
    assert again == moved if kind.iptables else set(again.values()) == {f"{p}:8080" for p in PODS.values()}


@FAKES
def test_affinity_is_switched_off_and_on(kind: Kind) -> None:
    at = Node1(kind, made(), EVERY)
    assert len({at.send(from_outside(1)) for _ in range(60)}) == 3
    at.put(made(**sticky()), EVERY)
    assert len({at.send(from_outside(1)) for _ in range(60)}) == 1
    at.put(made(), EVERY)
    assert len({at.send(from_outside(1)) for _ in range(60)}) == 3


def flow(target: str, number: int, answered_by: str, answered_from: int = 8080) -> Flow:
    return Flow(target, number, answered_by, answered_from)


@FAKES
def test_flows_that_no_endpoint_answers_are_stale_at_every_address(kind: Kind) -> None:
    at = Node1(kind, made(), endpoints_of("b"))
    good, bad = PODS["b"], PODS["c"]
    for ip, number in ((VIP, 80), (EXTERNAL, 80), (BALANCED, 80), (N1, NODE_PORT), ("10.244.1.1", NODE_PORT)):
        gone, before, kept = flow(ip, number, bad), flow(ip, number, ip, number), flow(ip, number, good)
        assert at.stale(gone, before, kept) == [gone, before]


@FAKES
def test_flows_of_others_are_left_alone(kind: Kind) -> None:
    at = Node1(kind, made(), endpoints_of("b"))
    others = [
        flow("198.51.100.9", NODE_PORT, "198.51.100.9", NODE_PORT),
        flow("198.51.100.9", 53, "198.51.100.10", 53),
        flow(PODS["b"], 8080, PODS["b"]),
        flow(EXTERNAL, 81, EXTERNAL, 81),
        flow(N1, 53, N1, 53),
    ]
    assert at.stale(*others) == []


@FAKES
def test_without_endpoints_or_service_translated_flows_are_stale(kind: Kind) -> None:
    at = Node1(kind, made(), endpoints_of())
    flows = [flow(VIP, 80, PODS["b"]), flow(EXTERNAL, 80, PODS["b"]), flow(N1, NODE_PORT, PODS["b"])]
    assert at.stale(*flows) == flows
    at.put(None, [])
    assert at.stale(*flows) == flows[:1], "what else was the Service's, only the change itself can tell"
    changed = frozenset({UdpFrontend(EXTERNAL, 80), UdpFrontend("", NODE_PORT)})
    assert at.stale(*flows, changed=changed) == flows[1:]


def _session(at: Real, who: int, ip: str, number: int, kind: socket.SocketKind) -> socket.socket:
    netns = at.cluster.pods[who].netns
    sock = linux.in_netns(netns, lambda: socket.socket(socket.AF_INET, kind))
    sock.settimeout(30)
    sock.connect((ip, number))
    return sock


def echo(netns: int, ip: str, port: int) -> None:
    """Runs a server whose connections stay open: it answers each byte with its address."""

    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    server = linux.in_netns(netns, lambda: socket.create_server((ip, port), family=family, backlog=16))

    def talk(peer: socket.socket) -> None:
        with peer:
            while peer.recv(1):
                peer.sendall(ip.ljust(15).encode())

    def accept() -> None:
        while True:
            threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _open_connections(kind: Kind) -> None:
    at = Real(kind=kind)
    for pod in at.cluster.pods:
        echo(pod.netns, pod.ip, 9090)

    def put(*pods: str, **spec: Any) -> None:
        slices = endpoints_of(*pods)
        for piece in slices:
            for numbered in piece.ports:
                numbered.port = 9090
        at.put(Case("open", made(**spec), slices))

    def says(sock: socket.socket) -> str:
        sock.sendall(b"?")
        return sock.recv(15).decode().strip()

    put("b")
    with contextlib.ExitStack() as stack:
        places = ((VIP, 80), (EXTERNAL, 80), (N1, NODE_PORT))
        held = [stack.enter_context(_session(at, 0, ip, n, socket.SOCK_STREAM)) for ip, n in places]
        held.append(stack.enter_context(_session(at, 2, BALANCED, 80, socket.SOCK_STREAM)))
        local = {"externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local"}
        changes: list[tuple[list[str], dict[str, Any]]] = [
            (["b", "c"], sticky()),
            (["c"], {}),
            (["c"], local),
            ([], {}),
            ([], {"externalIPs": [], "type": "ClusterIP"}),
        ]
        for pods, spec in changes:
            put(*pods, **spec)
            assert [says(sock) for sock in held] == [PODS["b"]] * 4


@pytest.mark.kernel
@KERNELS
def test_open_connections_survive_changes_of_service_and_endpoint(kind: Kind) -> None:
    in_sandbox(partial(_open_connections, kind))


def _affinity_entries(at: Real) -> int:
    table = f"list map {at.family.table} fairlead affinity"
    return linux.in_netns(at.cluster.node(1), lambda: NftKernel().run_text(table)).count("expires")


def _recognised(at: Real) -> int:
    """Returns how often upstream's chains sent a client to its last endpoint."""
    tables = linux.in_netns(at.cluster.node(1), lambda: IptablesKernel(at.family.table))
    chain = chain_name("SVC", "default/web", "tcp")
    return sum(count for rule, count in tables.packets("nat", chain).items() if "--rcheck" in rule)


def _expiry(family: Family, kind: Kind) -> None:
    at = Real(family=family, kind=kind)
    at.put(of_family(Case("sticky", made(**sticky(1)), EVERY), family))
    probe = Probe("a", in_family(VIP, family), 80, "a b c")

    def uses() -> None:
        time.sleep(1.3)  # longer than the timeout of a use before
        before = _recognised(at) if kind.iptables else 0
        chosen = at.ask(probe)
        for turn in range(1, 5):
            time.sleep(0.4)
            assert at.ask(probe) == chosen, "every use begins the time anew"
            assert (_recognised(at) == before + turn) if kind.iptables else (_affinity_entries(at) == 1)
        time.sleep(1.3)
        if kind.iptables:
            at.ask(probe)
            assert _recognised(at) == before + 4, "not used within the timeout: drawn anew"
        else:
            assert _affinity_entries(at) == 0, "not used within the timeout: forgotten"

    in_one_of(5, uses)


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("kind", [NFTABLES, IPTABLES], ids=str)
@FAMILIES
def test_a_client_is_remembered_for_the_timeout_after_its_last_connection(family: Family, kind: Kind) -> None:
    in_sandbox(partial(_expiry, family, kind))


def _sticking(family: Family, kind: Kind) -> None:
    """Checks three clients at every address: each gets its first endpoint again until that endpoint has gone, also
    after the next agent has read back and corrected the kernel's rules."""
    at = Real(family=family, kind=kind)
    case = of_family(Case("sticky", made(**sticky(60)), EVERY), family)
    at.put(case)
    frontends = [(in_family(VIP, family), 80), (in_family(EXTERNAL, family), 80), (in_family(N1, family), NODE_PORT)]
    clients = [Probe(who, ip, port, "a b c") for ip, port in frontends for who in ("a", "b", "c")]
    chosen = [at.ask(client).split()[0] for client in clients]
    for name, backend in at.backends.items():
        again = linux.in_netns(at.cluster.node(int(name[-1])), lambda: kind.kernel(proxier_of(family)))
        source = {"default/web": Source(case.service, case.slices)}
        assert not bring(again, source, view(name, family), whole=True).anything
        assert not asyncio.run(backend.resync()).anything
    for _ in range(6):
        assert [at.ask(client).split()[0] for client in clients] == chosen
    gone = in_family(PODS["b"], family)
    at.put(of_family(Case("less", made(**sticky(60)), endpoints_of("a", "c")), family))
    moved = [at.ask(client).split()[0] for client in clients]
    assert gone not in moved
    assert [now for now, before in zip(moved, chosen, strict=True) if before != gone] == [
        c for c in chosen if c != gone
    ]


@pytest.mark.kernel
@KERNELS
@FAMILIES
def test_clients_stick_to_their_endpoint_until_it_goes(family: Family, kind: Kind) -> None:
    in_sandbox(partial(_sticking, family, kind))


def _wounded() -> None:
    at = Real(family=IPV6)
    at.put(of_family(Case("sticky", made(**sticky(60)), EVERY), IPV6))
    kernel = linux.in_netns(at.cluster.node(1), NftKernel)
    kernel.run_text("flush chain ip6 fairlead remember_60s")
    assert asyncio.run(at.backends["node1"].resync()).anything
    assert kernel.run_text("list chain ip6 fairlead remember_60s").count("update @affinity") == 1
    assert kernel.run_text("list chain ip6 fairlead node_forget").count("delete @node_affinity") == 1


@pytest.mark.kernel
def test_a_deleted_affinity_rule_is_repaired() -> None:
    in_sandbox(_wounded)


def _astray(kind: Kind) -> None:
    at = Real(kind=kind)
    at.put(Case("nothing yet", made(type="ClusterIP", externalIPs=[]), []))
    flows, backend = linux.in_netns(at.cluster.node(1), Conntrack), at.backends["node1"]
    context = Destinations(frozenset(node().addresses), (NETWORK.service_cidr,))

    def reconcile() -> int:
        return flows.delete_flows(list(stale_entries(flows.flows(), backend, context)))

    with contextlib.ExitStack() as stack:
        places = ((VIP, 80), (EXTERNAL, 80), ("10.244.1.1", NODE_PORT))
        socks = [stack.enter_context(_session(at, 0, ip, n, socket.SOCK_DGRAM)) for ip, n in places]

        def answers() -> list[str]:
            return [_answer(sock) for sock in socks]

        def _answer(sock: socket.socket) -> str:
            try:
                sock.send(b"?")
                return sock.recv(100).decode().split()[0]
            except (TimeoutError, ConnectionRefusedError):
                return ""

        # Before the Service exists: the flows that begin are not translated.
        for sock in socks:
            sock.settimeout(0.3)
        assert answers() == [""] * 3
        for sock in socks:
            sock.settimeout(30)
        at.put(Case("first", made(), endpoints_of("b")))
        assert reconcile() == 2, "what was refused, as at the cluster IP, leaves no flow"
        assert answers() == [PODS["b"]] * 3
        # No cleanup follows this change: the next check of all flows finds them.
        at.put(Case("second", made(), endpoints_of("c")))
        assert answers() == [PODS["b"]] * 3, "the kernel does as it did"
        assert reconcile() == 3
        assert answers() == [PODS["c"]] * 3
        assert reconcile() == 0


@pytest.mark.kernel
@pytest.mark.slow
@KERNELS
def test_flows_made_before_the_service_and_flows_that_were_missed_are_found_and_forgotten(kind: Kind) -> None:
    in_sandbox(partial(_astray, kind))
