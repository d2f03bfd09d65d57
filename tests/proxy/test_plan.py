"""Each kind of Service in the kernel: the transaction's text, and the destination of packets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from textwrap import dedent

import pytest

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointPort, EndpointSlice
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.model import Transaction
from fairlead.net.nft.trace import Tracer
from fairlead.net.trace import Packet, RandomDice, Trace
from fairlead.proxy.nftables.incremental import Planner
from fairlead.proxy.nftables.mirror import TableMirror
from fairlead.proxy.nftables.plan import plan_service
from fairlead.proxy.nftables.rules import TABLE, fixed_table
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.planning.placing import changed, ordered, rearranged
from fairlead.proxy.planning.proxierconfig import cluster_proxier
from fairlead.service.endpoints import Target
from fairlead.service.wellknown import PROXY_NAME_LABEL
from tests.proxy.objects import (
    NETWORK,
    endpoint,
    node,
    node_port_service,
    port,
    service,
    slice_of,
    sticky,
)

VIP = "10.96.0.10"
HERE, THERE, ALSO = "10.244.1.2", "10.244.2.2", "10.244.3.2"
POD, NEIGHBOUR = "10.244.1.9", "10.244.1.8"
NODE1, NODE2 = "172.30.0.11", "172.30.0.12"
BOTH = (slice_of(HERE, THERE),)


class World:
    """The table of node1 on the fake kernel."""

    def __init__(self, made: Service | None = None, slices: Sequence[EndpointSlice] = ()) -> None:
        self.nft = FakeNft()
        self.planner = Planner()
        self.mirror = TableMirror(fixed_table(cluster_proxier(NETWORK)))
        self._run(self.mirror.resync())
        self.rng = random.Random(1)
        self.put(made, slices)

    def put(self, made: Service | None, slices: Sequence[EndpointSlice] = ()) -> Transaction:
        planned = self.planner.plan("default/web", Source(made, slices), node=node())
        transaction = self.mirror.update({"default/web": planned})
        self._run(transaction)
        return transaction

    def _run(self, transaction: Transaction) -> None:
        self.nft.execute(transaction)
        self.mirror.done(transaction)

    def trace(self, packet: Packet) -> Trace:
        return Tracer(self.nft.tables[TABLE], local=(NODE1, "10.244.1.1"), dice=RandomDice(self.rng)).trace(packet)

    def send(self, packet: Packet) -> str:
        return str(self.trace(packet))

    def many(self, packet: Packet, times: int = 100) -> set[str]:
        return {self.send(packet) for _ in range(times)}


def from_pod(target: str = VIP, number: int = 80, protocol: str = "tcp", source: str = POD) -> Packet:
    return Packet(source, target, number, protocol, link="veth1")


def from_node(target: str = VIP, number: int = 80, protocol: str = "tcp") -> Packet:
    return Packet(NODE1, target, number, protocol)


def from_fabric(target: str = VIP, number: int = 80, protocol: str = "tcp", source: str = "172.30.0.1") -> Packet:
    return Packet(source, target, number, protocol, link="eth0")


def text_of(made: Service, *slices: EndpointSlice) -> str:
    """Returns the text that adding the Service sends to the kernel."""
    return World().put(made, slices).render()


def golden(text: str) -> str:
    return dedent(text).lstrip("\n").replace("    ", "\t")


def test_the_text_of_a_cluster_ip() -> None:
    assert text_of(service(), *BOTH) == golden("""
        table ip fairlead {
            chain slots_2 {
                meta mark set numgen random mod 2
                goto send
            }
        }
        add element ip fairlead dispatch {
            0x00000002 : goto slots_2,
        }
        add element ip fairlead endpoints {
            tcp . 10.96.0.10 . 80 . 0x00000000 : 10.244.1.2 . 8080,
            tcp . 10.96.0.10 . 80 . 0x00000001 : 10.244.2.2 . 8080,
        }
        add element ip fairlead hairpin {
            10.244.1.2 . 10.244.1.2,
        }
        add element ip fairlead services {
            tcp . 10.96.0.10 . 80 : 0x00000002,
        }
    """)


def test_the_text_of_a_node_port() -> None:
    assert text_of(node_port_service(30080), slice_of(THERE)) == golden("""
        table ip fairlead {
            chain masquerade_node_slots_1 {
                ct mark set ct mark | 0x4000
                goto node_slots_1
            }
            chain node_slots_1 {
                meta mark set numgen random mod 1
                goto node_send
            }
            chain slots_1 {
                meta mark set numgen random mod 1
                goto send
            }
        }
        add element ip fairlead dispatch {
            0x00000001 : goto slots_1,
            0x01000001 : goto node_slots_1,
            0x11000001 : goto masquerade_node_slots_1,
        }
        add element ip fairlead endpoints {
            tcp . 10.96.0.10 . 80 . 0x00000000 : 10.244.2.2 . 8080,
        }
        add element ip fairlead node_endpoints {
            tcp . 30080 . 0x00000000 : 10.244.2.2 . 8080,
        }
        add element ip fairlead node_services {
            tcp . 30080 : 0x11000001,
        }
        add element ip fairlead services {
            tcp . 10.96.0.10 . 80 : 0x00000001,
        }
    """)


def test_the_text_of_affinity() -> None:
    assert text_of(service(**sticky(600)), slice_of(THERE)) == golden("""
        table ip fairlead {
            chain affinity_chain_600s {
                jump remember_600s
                meta l4proto { tcp, udp, sctp } dnat ip to meta l4proto . ip daddr . th dport . meta mark map @endpoints
            }
            chain forget {
                delete @affinity { meta l4proto . ip daddr . th dport . ip saddr : 0x0 }
            }
            chain remember_600s {
                update @affinity { meta l4proto . ip daddr . th dport . ip saddr timeout 600s : meta mark }
            }
            chain sticky_1 {
                meta mark set meta l4proto . ip daddr . th dport . ip saddr map @affinity meta mark & 0x40000000 == 0x0 jump affinity_chain
                jump forget
                meta mark set numgen random mod 1
                meta mark set meta l4proto . ip daddr . th dport . meta mark map @affinity_slots
                goto affinity_chain
            }
        }
        add element ip fairlead dispatch {
            0x02000001 : goto sticky_1,
        }
        add element ip fairlead endpoints {
            tcp . 10.96.0.10 . 80 . 0x91b03890 : 10.244.2.2 . 8080,
        }
        add element ip fairlead timeouts {
            tcp . 10.96.0.10 . 80 : goto affinity_chain_600s,
        }
        add element ip fairlead affinity_slots {
            tcp . 10.96.0.10 . 80 . 0x00000000 : 0x91b03890,
        }
        add element ip fairlead services {
            tcp . 10.96.0.10 . 80 : 0x02000001,
        }
    """)  # noqa: E501 -- a rule is one line


def test_the_text_of_one_endpoint_less() -> None:
    at = World(service(), BOTH)
    assert at.put(service(), [slice_of(HERE)]).render() == golden("""
        table ip fairlead {
            chain slots_1 {
                meta mark set numgen random mod 1
                goto send
            }
        }
        add element ip fairlead dispatch {
            0x00000001 : goto slots_1,
        }
        delete element ip fairlead services {
            tcp . 10.96.0.10 . 80,
        }
        add element ip fairlead services {
            tcp . 10.96.0.10 . 80 : 0x00000001,
        }
        delete element ip fairlead endpoints {
            tcp . 10.96.0.10 . 80 . 0x00000001,
        }
    """)


@pytest.mark.parametrize("packet", [from_pod(), from_node()], ids=["pod", "node"])
def test_pods_and_nodes_reach_both_endpoints_of_a_cluster_ip_unmasqueraded(packet: Packet) -> None:
    assert World(service(), BOTH).many(packet) == {f"sent {HERE}:8080", f"sent {THERE}:8080"}


def test_the_fabric_reaches_a_cluster_ip_masqueraded() -> None:
    at = World(service(), BOTH)
    assert at.many(from_fabric()) == {f"sent {HERE}:8080, masqueraded", f"sent {THERE}:8080, masqueraded"}


def test_a_pod_that_reaches_itself_is_masqueraded_and_no_other_pod_is() -> None:
    at = World(service(), [slice_of(HERE)])
    assert at.send(from_pod(source=HERE)) == f"sent {HERE}:8080, masqueraded"
    assert at.send(from_pod(source=NEIGHBOUR)) == f"sent {HERE}:8080"


@pytest.mark.parametrize(
    "packet",
    [
        from_pod(NODE1, 30080),
        from_node(NODE1, 30080),
        from_fabric(NODE1, 30080),
        from_fabric(NODE1, 30080, source=NODE2),
        from_fabric(NODE1, 30080, source="10.244.2.7"),
    ],
    ids=["pod", "node", "fabric", "other node", "other node's pod"],
)
def test_a_node_port_reaches_both_endpoints_masqueraded_from_everywhere(packet: Packet) -> None:
    at = World(node_port_service(30080), BOTH)
    assert at.many(packet) == {f"sent {HERE}:8080, masqueraded", f"sent {THERE}:8080, masqueraded"}


def test_another_nodes_port_is_left_to_that_node() -> None:
    at = World(node_port_service(30080), BOTH)
    assert at.send(from_pod(NODE2, 30080)) == f"sent {NODE2}:30080"


@pytest.mark.parametrize("where", [from_pod, from_node, from_fabric])
@pytest.mark.parametrize(
    ("made", "slices"),
    [
        (None, ()),
        (service(), ()),
        (service(), [slice_of(endpoint(HERE, ready=False))]),
        (service(ports=[port(81)]), BOTH),
        (service(ports=[port(protocol="UDP")]), [slice_of(HERE, ports=[EndpointPort(port=53, protocol="UDP")])]),
    ],
    ids=["no Service", "no slices", "none ready", "another port", "another protocol"],
)
def test_ports_without_endpoints_are_refused_at_once(
    where: object, made: Service | None, slices: Sequence[EndpointSlice]
) -> None:
    assert callable(where)
    at = World(made, slices)
    assert at.send(where()) == f"reset {VIP}:80"
    assert at.send(where(number=99, protocol="udp")) == f"unreachable {VIP}:99"
    assert at.send(where("10.97.1.2")) == "reset 10.97.1.2:80"


def test_other_addresses_pass_untouched() -> None:
    at = World(service(), BOTH)
    assert at.send(from_pod(THERE, 8080)) == f"sent {THERE}:8080"
    assert at.send(from_fabric(HERE, 8080)) == f"sent {HERE}:8080"
    assert at.send(from_pod(NODE1, 10250)) == f"sent {NODE1}:10250"


def test_one_number_is_two_node_ports_for_two_protocols() -> None:
    ports = [port(nodePort=30080), port(53, name="dns", protocol="UDP", nodePort=30080)]
    numbers = [EndpointPort(name="", port=8080, protocol="TCP"), EndpointPort(name="dns", port=5353, protocol="UDP")]
    at = World(node_port_service(ports=ports), [slice_of(THERE, ports=numbers)])
    assert at.send(from_pod(NODE1, 30080)) == f"sent {THERE}:8080, masqueraded"
    assert at.send(from_pod(NODE1, 30080, "udp")) == f"sent {THERE}:5353, masqueraded"


def test_a_client_sticks_until_its_endpoint_goes() -> None:
    at = World(service(**sticky()), [slice_of(HERE, THERE, ALSO)])
    clients = [from_pod(source=f"10.244.1.{i}") for i in range(10, 40)]
    first = {client: at.send(client) for client in clients}
    assert len(set(first.values())) == 3
    assert {client: at.send(client) for client in clients} == first
    at.put(service(**sticky()), [slice_of(HERE, ALSO)])
    second = {client: at.send(client) for client in clients}
    assert all(second[c] == first[c] for c in clients if THERE not in first[c])
    assert all(THERE not in answer for answer in second.values())
    at.put(service(**sticky()), [slice_of(HERE, THERE, ALSO)])
    assert {client: at.send(client) for client in clients} == second


def test_connections_are_spread_evenly() -> None:
    at = World(service(), [slice_of(HERE, THERE, ALSO)])
    counts = Counter(at.send(from_pod()) for _ in range(3000))
    assert all(900 < count < 1100 for count in counts.values())


@pytest.mark.parametrize(
    "endpoints",
    [
        [endpoint(HERE), endpoint(THERE, ready=False)],
        [endpoint(HERE, ready=None)],
        [endpoint(HERE), endpoint(THERE, ready=False, serving=True, terminating=True)],
        [endpoint(HERE, ready=False, serving=True, terminating=True), endpoint(THERE, ready=False)],
        [endpoint(HERE, ready=False, serving=True, terminating=True), endpoint(THERE, ready=False, serving=True)],
    ],
    ids=["ready", "unsaid is ready", "ready before ending", "ending where none is ready", "serving but not ending"],
)
def test_ready_endpoints_serve_and_terminating_ones_only_if_none_is_ready(endpoints: list[object]) -> None:
    assert World(service(), [slice_of(*endpoints)]).many(from_pod()) == {f"sent {HERE}:8080"}  # type: ignore[arg-type]


def test_endpoints_in_several_slices_count_once_and_ports_match_by_name() -> None:
    named = [
        EndpointPort(name="http", port=8080, protocol="TCP"),
        EndpointPort(name="admin", port=9090, protocol="TCP"),
    ]
    slices = [slice_of(HERE, THERE, ports=named), slice_of(THERE, ALSO, name="web-2", ports=named)]
    at = World(service(ports=[port(name="http"), port(81, name="admin")]), slices)
    assert len(at.many(from_pod())) == 3
    assert at.many(from_pod(number=81)) == {f"sent {ip}:9090" for ip in (HERE, THERE, ALSO)}


@pytest.mark.parametrize(
    "made",
    [
        service(clusterIP="None", clusterIPs=["None"]),
        service(type="ExternalName", clusterIP="", clusterIPs=[], externalName="example.org"),
        service(clusterIP="", clusterIPs=[]),
    ],
    ids=["headless", "external name", "no address yet"],
)
def test_services_without_an_address_have_no_elements(made: Service) -> None:
    assert not plan_service(made, BOTH, node=node()).elements


def test_a_service_left_to_another_proxy_has_no_elements() -> None:
    made = service()
    made.metadata.labels = {PROXY_NAME_LABEL: "mine"}
    assert not plan_service(made, BOTH, node=node()).elements


def test_addresses_that_make_no_sense_are_passed_over() -> None:
    slices = [slice_of("no address", "fd00::1", HERE), slice_of("fd00::2", name="web-6", addressType="IPv6")]
    assert World(service(), slices).many(from_pod()) == {f"sent {HERE}:8080"}


@pytest.mark.parametrize("state", ["established", "related"])
def test_established_connections_meet_one_rule_even_if_new_ones_are_refused(state: str) -> None:
    at = World(node_port_service())
    for packet in (from_pod(), from_node(), from_pod(NODE1, 30080)):
        assert at.send(packet).startswith(("reset", "unreachable"))
        trace = at.trace(replace(packet, state=state))
        assert trace.fate == "sent"
        met = {matched.rule for matched in trace.rules if matched.chain.startswith("refuse")}
        assert met == {"ct state established,related accept"}


def targets_of(*numbers: int) -> tuple[Target, ...]:
    return tuple(Target(f"10.244.1.{n}", 8080) for n in numbers)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((1, 2, 3), (1, 2, 3), (1, 2, 3)),
        ((1, 2, 3), (2, 3), (3, 2)),
        ((1, 2, 3), (1, 2), (1, 2)),
        ((1, 2, 3), (1, 3, 4), (1, 4, 3)),
        ((3, 1), (1, 2, 3, 4), (3, 1, 2, 4)),
        ((1, 2, 3, 4), (4,), (4,)),
        ((1, 2), (), ()),
        ((1, 2, 3), (6, 7, 8, 9), (6, 7, 8, 9)),
        ((1, 2, 3, 4), (9, 3), (9, 3)),
    ],
)
def test_targets_keep_their_places_and_only_the_last_move(
    before: tuple[int, ...], now: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    first = ordered(targets_of(*before))
    then = rearranged(targets_of(*now), first)
    assert then.targets == targets_of(*expected)
    assert then.places == {target: place for place, target in enumerate(then.targets)}
    both = zip_longest(first.targets, then.targets)
    assert changed(first.targets, then.targets) == [place for place, (old, new) in enumerate(both) if old != new]


@pytest.mark.slow
def test_in_a_large_service_one_endpoint_more_or_less_is_two_elements() -> None:
    ips = [f"10.244.2.{n}" for n in range(2, 102)]
    at = World(service(), [slice_of(*ips)])
    less = at.put(service(), [slice_of(*(ip for ip in ips if ip != "10.244.2.50"))])
    assert [c.set_name for c in less.changes if c.set_name == "endpoints"] == ["endpoints"] * 2
    assert len(at.many(from_pod(), 2000)) == 99
    more = at.put(service(), [slice_of(*ips)])
    assert [c.set_name for c in more.changes if c.set_name == "endpoints"] == ["endpoints"]
    assert len(at.many(from_pod(), 2000)) == 100
