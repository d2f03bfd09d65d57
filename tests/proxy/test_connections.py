"""What becomes of clients when Services change: open connections, clients that stick, UDP flows that went astray."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from functools import partial
from typing import Any

import pytest

from fairlead.api.endpointslice import EndpointSlice
from fairlead.api.service import Service
from fairlead.net import linux
from fairlead.net.conntrack.model import Flow
from fairlead.net.family import IPV6, Family
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.trace import Packet, Tracer
from fairlead.proxy.backend import UdpFrontend
from fairlead.proxy.flows import Surroundings, stale_flows
from fairlead.proxy.nftables.ledger import Ledger
from fairlead.proxy.nftables.plan import plan_service
from fairlead.proxy.nftables.rules import TABLE, fixed_table
from fairlead.proxy.site import cluster_site
from tests.net.sandbox import in_sandbox
from tests.proxy.objects import NETWORK, node, sticky
from tests.proxy.paths import BALANCED, EXTERNAL, NODE_PORT, NODES, PODS, VIP, Case, Probe, behind, made
from tests.proxy.test_paths import BOTH, FAMILIES, Real, of_family, view
from tests.proxy.test_paths import at as in_family

EVERY = behind("a", "b", "c")
OUTSIDE = "198.51.100.4"
N1 = NODES["node1"]


class Node1:
    """The first node's table on the fake, and its ledger."""

    def __init__(self, made: Service, slices: list[EndpointSlice]) -> None:
        self.nft, self.ledger = FakeNft(), Ledger(fixed_table(cluster_site(NETWORK)))
        self.rng = random.Random(3)
        self.put(made, slices)

    def put(self, made: Service | None, slices: list[EndpointSlice]) -> None:
        for part in self.ledger.take({"web": plan_service(made, slices, node=node())}).split():
            self.nft.run(part)
            self.ledger.done(part)

    def send(self, packet: Packet) -> str:
        return Tracer(self.nft.tables[TABLE], local=node().addresses, rng=self.rng).trace(packet).target

    def stale(self, *flows: Flow, changed: frozenset[UdpFrontend] | None = None) -> list[Flow]:
        around = Surroundings(frozenset(node().addresses), (NETWORK.service_cidr,))
        return list(stale_flows(flows, self.ledger, around, changed=changed))


def from_outside(client: int, ip: str = EXTERNAL, port: int = 80) -> Packet:
    return Packet(f"198.51.100.{client}", ip, port, link="eth0")


@pytest.mark.parametrize(("ip", "port"), [(VIP, 80), (EXTERNAL, 80), (BALANCED, 80), (N1, NODE_PORT)])
def test_clients_stick_at_every_address(ip: str, port: int) -> None:
    at = Node1(made(**sticky()), EVERY)
    first = {c: at.send(from_outside(c, ip, port)) for c in range(40)}
    assert set(first.values()) == {f"{p}:8080" for p in PODS.values()}
    assert {c: at.send(from_outside(c, ip, port)) for c in range(40)} == first
    at.put(made(**sticky()), behind("a", "b"))
    second = {c: at.send(from_outside(c, ip, port)) for c in range(40)}
    assert all(second[c] == first[c] for c in first if PODS["c"] not in first[c])


def test_two_ports_of_a_service_are_stuck_to_apart() -> None:
    at = Node1(made(**sticky()), EVERY)
    apart = [c for c in range(40) if at.send(from_outside(c)) != at.send(from_outside(c, N1, NODE_PORT))]
    assert apart


def test_a_client_from_outside_that_stuck_to_another_node_is_moved_when_the_service_keeps_traffic_on_its_node() -> None:
    at = Node1(made(**sticky()), EVERY)
    assert {at.send(from_outside(c)) for c in range(40)} == {f"{p}:8080" for p in PODS.values()}
    at.put(made(externalTrafficPolicy="Local", **sticky()), EVERY)
    moved = {c: at.send(from_outside(c)) for c in range(40)}
    assert set(moved.values()) == {f"{PODS['a']}:8080", f"{PODS['b']}:8080"}
    assert {c: at.send(from_outside(c)) for c in range(40)} == moved
    at.put(made(**sticky()), EVERY)
    assert {at.send(from_outside(c)) for c in range(40)} == {f"{p}:8080" for p in PODS.values()}


def test_affinity_is_switched_off_and_on() -> None:
    at = Node1(made(), EVERY)
    assert len({at.send(from_outside(1)) for _ in range(60)}) == 3
    at.put(made(**sticky()), EVERY)
    assert len({at.send(from_outside(1)) for _ in range(60)}) == 1
    at.put(made(), EVERY)
    assert len({at.send(from_outside(1)) for _ in range(60)}) == 3


def flow(target: str, number: int, answered_by: str, answered_from: int = 8080) -> Flow:
    return Flow(target, number, answered_by, answered_from)


def test_flows_that_no_endpoint_answers_are_stale_at_every_address() -> None:
    at = Node1(made(), behind("b"))
    good, bad = PODS["b"], PODS["c"]
    for ip, number in ((VIP, 80), (EXTERNAL, 80), (BALANCED, 80), (N1, NODE_PORT), ("10.244.1.1", NODE_PORT)):
        gone, before, kept = flow(ip, number, bad), flow(ip, number, ip, number), flow(ip, number, good)
        assert at.stale(gone, before, kept) == [gone, before]


def test_flows_of_others_are_left_alone() -> None:
    at = Node1(made(), behind("b"))
    others = [
        flow("198.51.100.9", NODE_PORT, "198.51.100.9", NODE_PORT),
        flow("198.51.100.9", 53, "198.51.100.10", 53),
        flow(PODS["b"], 8080, PODS["b"]),
        flow(EXTERNAL, 81, EXTERNAL, 81),
        flow(N1, 53, N1, 53),
    ]
    assert at.stale(*others) == []


def test_without_endpoints_or_service_translated_flows_are_stale() -> None:
    at = Node1(made(), behind())
    flows = [flow(VIP, 80, PODS["b"]), flow(EXTERNAL, 80, PODS["b"]), flow(N1, NODE_PORT, PODS["b"])]
    assert at.stale(*flows) == flows
    at.put(None, [])
    assert at.stale(*flows) == flows[:1], "what else was the Service's, only the change itself can tell"
    changed = frozenset({UdpFrontend(EXTERNAL, 80), UdpFrontend("", NODE_PORT)})
    assert at.stale(*flows, changed=changed) == flows[1:]


def _session(at: Real, who: int, ip: str, number: int, kind: socket.SocketKind) -> socket.socket:
    netns = at.cluster.pods[who].netns
    sock = linux.in_netns(netns, lambda: socket.socket(socket.AF_INET, kind))
    sock.settimeout(2)
    sock.connect((ip, number))
    return sock


def echo(netns: int, ip: str, port: int) -> None:
    """A server whose connections stay open: says its address for every byte."""

    server = linux.in_netns(netns, lambda: socket.create_server((ip, port), backlog=16))

    def talk(peer: socket.socket) -> None:
        with peer:
            while peer.recv(1):
                peer.sendall(ip.ljust(15).encode())

    def accept() -> None:
        while True:
            threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _open_connections() -> None:
    at = Real()
    for pod in at.cluster.pods:
        echo(pod.netns, pod.ip, 9090)

    def put(*pods: str, **spec: Any) -> None:
        slices = behind(*pods)
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
def test_open_connections_go_on_whatever_becomes_of_the_service_and_the_endpoint() -> None:
    in_sandbox(_open_connections)


def _affinity_entries(at: Real) -> int:
    kernel, _ = at.nodes["node1"]
    return kernel.run_text(f"list map {at.family.table} fairlead affinity").count("expires")


def _expiry(family: Family) -> None:
    at = Real(family=family)
    at.put(of_family(Case("sticky", made(**sticky(1)), EVERY), family))
    probe = Probe("a", in_family(VIP, family), 80, "a b c")
    chosen = at.ask(probe)
    for _ in range(4):
        time.sleep(0.4)
        assert at.ask(probe) == chosen, "every use begins the time anew"
        assert _affinity_entries(at) == 1
    time.sleep(1.3)
    assert _affinity_entries(at) == 0, "not used within the timeout: forgotten"


@pytest.mark.kernel
@pytest.mark.slow
@FAMILIES
def test_a_client_is_remembered_for_the_timeout_after_its_last_connection(family: Family) -> None:
    in_sandbox(partial(_expiry, family))


def _sticking(family: Family) -> None:
    """Three clients at every door: whoever they got first they get again, also when the kernel's rules are read back
    and gone over by the next agent, and until that endpoint has gone."""
    at = Real(family=family)
    case = of_family(Case("sticky", made(**sticky(60)), EVERY), family)
    at.put(case)
    doors = [(in_family(VIP, family), 80), (in_family(EXTERNAL, family), 80), (in_family(N1, family), NODE_PORT)]
    clients = [Probe(who, ip, port, "a b c") for ip, port in doors for who in ("a", "b", "c")]
    chosen = [at.ask(client).split()[0] for client in clients]
    for name, (kernel, ledger) in at.nodes.items():
        again = Ledger(fixed_table(cluster_site(BOTH, family)))
        again.take({"web": plan_service(case.service, case.slices, node=view(name, family))})
        again.found(kernel.read(TABLE, family.table))
        assert not again.resync()
        ledger.found(kernel.read(TABLE, family.table))
        assert not ledger.resync()
    for _ in range(6):
        assert [at.ask(client).split()[0] for client in clients] == chosen
    gone = in_family(PODS["b"], family)
    at.put(of_family(Case("less", made(**sticky(60)), behind("a", "c")), family))
    moved = [at.ask(client).split()[0] for client in clients]
    assert gone not in moved
    assert [now for now, before in zip(moved, chosen, strict=True) if before != gone] == [
        c for c in chosen if c != gone
    ]


@pytest.mark.kernel
@FAMILIES
def test_clients_stick_to_their_endpoint_until_it_goes(family: Family) -> None:
    in_sandbox(partial(_sticking, family))


def _wounded() -> None:
    at = Real(family=IPV6)
    at.put(of_family(Case("sticky", made(**sticky(60)), EVERY), IPV6))
    kernel, ledger = at.nodes["node1"]
    kernel.run_text("flush chain ip6 fairlead remember_60s")
    ledger.found(kernel.read(TABLE, "ip6"))
    for part in ledger.resync().split():
        kernel.run(part)
        ledger.done(part)
    assert kernel.run_text("list chain ip6 fairlead remember_60s").count("update @affinity") == 1
    assert kernel.run_text("list chain ip6 fairlead node_forget").count("delete @node_affinity") == 1


@pytest.mark.kernel
def test_a_rule_that_remembers_is_put_back_where_somebody_took_it() -> None:
    in_sandbox(_wounded)


def _astray() -> None:
    at = Real()
    at.put(Case("nothing yet", made(type="ClusterIP", externalIPs=[]), []))
    kernel, ledger = at.nodes["node1"]
    around = Surroundings(frozenset(node().addresses), (NETWORK.service_cidr,))

    def reconcile() -> int:
        return kernel.forget(list(stale_flows(kernel.flows(), ledger, around)))

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

        for sock in socks:
            sock.settimeout(0.3)
        # Before there is a Service: the flows that begin are not translated.
        assert answers() == [""] * 3
        at.put(Case("first", made(), behind("b")))
        assert reconcile() == 2, "what was refused, as at the cluster IP, leaves no flow"
        assert answers() == [PODS["b"]] * 3
        # Nobody looks at this change: the next look at all flows finds them.
        at.put(Case("second", made(), behind("c")))
        assert answers() == [PODS["b"]] * 3, "the kernel does as it did"
        assert reconcile() == 3
        assert answers() == [PODS["c"]] * 3
        assert reconcile() == 0


@pytest.mark.kernel
@pytest.mark.slow
def test_flows_made_before_the_service_and_flows_that_were_missed_are_found_and_forgotten() -> None:
    in_sandbox(_astray)
