"""Services in upstream's chains, to the letter, and the edits for each change."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointPort
from fairlead.base.metrics import Labels, Sample
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.net.iptables.fake import FakeIptables
from fairlead.net.iptables.model import IptablesError, Restore
from fairlead.net.iptables.trace import Tracer
from fairlead.net.trace import Packet, RandomDice
from fairlead.proxy.iptables.backend import IptablesBackend
from fairlead.proxy.iptables.rules import chain_name
from fairlead.proxy.planning.backend import Source, UdpFrontend
from fairlead.proxy.planning.proxierconfig import TrafficDetector
from tests.proxy.atnode import EXT, LAST, SVC, Node1
from tests.proxy.backends import bring, pods, proxier_of
from tests.proxy.objects import node_port_service, port, service, slice_of, sticky
from tests.proxy.paths import BALANCED, EXTERNAL, VIP, Case, endpoints_of, in_six, made
from tests.proxy.test_paths import view


@pytest.mark.parametrize(
    ("name", "protocol", "chain"),
    [
        ("default/kubernetes:https", "tcp", "KUBE-SVC-NPX46M4PTMTKRN6Y"),
        ("kube-system/kube-dns:dns", "udp", "KUBE-SVC-TCOU7JCQXEZGVUNU"),
        ("kube-system/kube-dns:dns-tcp", "tcp", "KUBE-SVC-ERIFXISQEP7F7OF4"),
        ("kube-system/kube-dns:metrics", "tcp", "KUBE-SVC-JD5MR3NA4I4DYORP"),
    ],
)
def test_chains_are_called_as_in_every_cluster(name: str, protocol: str, chain: str) -> None:
    """Checks names from published listings of clusters."""
    assert chain_name("SVC", name, protocol) == chain


def test_a_cluster_ip_is_upstreams_chains() -> None:
    at = Node1()
    at.put(service(), [slice_of("10.244.1.2", "10.244.2.2", "10.244.3.2")])
    assert at.shown("nat", "KUBE-SERVICES", "KUBE-SVC", "KUBE-SEP") == dedent(
        f"""\
        -A KUBE-SEP-5Q3P56IRA2PP7VYF -s 10.244.2.2/32 -m comment --comment "default/web" -j KUBE-MARK-MASQ
        -A KUBE-SEP-5Q3P56IRA2PP7VYF -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination 10.244.2.2:8080
        -A KUBE-SEP-I2YZ2ZJGX6XNOQ3T -s 10.244.3.2/32 -m comment --comment "default/web" -j KUBE-MARK-MASQ
        -A KUBE-SEP-I2YZ2ZJGX6XNOQ3T -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination 10.244.3.2:8080
        -A KUBE-SEP-PXJ2U7QYT2QW5545 -s 10.244.1.2/32 -m comment --comment "default/web" -j KUBE-MARK-MASQ
        -A KUBE-SEP-PXJ2U7QYT2QW5545 -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination 10.244.1.2:8080
        -A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j {SVC}
        -A KUBE-SERVICES ! -d 127.0.0.0/8 -m comment --comment "{LAST}" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
        -A {SVC} ! -s 10.244.0.0/16 -d 10.96.0.10/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A {SVC} -m comment --comment "default/web -> 10.244.1.2:8080" -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-PXJ2U7QYT2QW5545
        -A {SVC} -m comment --comment "default/web -> 10.244.2.2:8080" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-5Q3P56IRA2PP7VYF
        -A {SVC} -m comment --comment "default/web -> 10.244.3.2:8080" -j KUBE-SEP-I2YZ2ZJGX6XNOQ3T
        """  # noqa: E501 -- as they are shown
    )


def test_other_addresses_the_local_policy_and_source_ranges_are_upstreams_chains() -> None:
    at = Node1()
    spec: dict[str, Any] = {"externalTrafficPolicy": "Local", "healthCheckNodePort": 31234}
    wanted = made((port(nodePort=30080),), loadBalancerSourceRanges=["172.30.0.0/24"], **spec)
    at.put(wanted, endpoints_of("b", "c"))
    assert at.shown("nat", "KUBE-EXT", "KUBE-FW", "KUBE-SVL", "KUBE-NODEPORTS") == dedent(
        f"""\
        -A {EXT} -s 10.244.1.0/24 -m comment --comment "pod traffic for default/web external destinations" -j {SVC}
        -A {EXT} -m comment --comment "masquerade LOCAL traffic for default/web external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
        -A {EXT} -m comment --comment "route LOCAL traffic for default/web external destinations" -m addrtype --src-type LOCAL -j {SVC}
        -A {EXT} -j KUBE-SVL-LOLE4ISW44XBNF3G
        -A KUBE-FW-LOLE4ISW44XBNF3G -s 172.30.0.0/24 -m comment --comment "default/web loadbalancer IP" -j {EXT}
        -A KUBE-FW-LOLE4ISW44XBNF3G -s 172.30.0.200/32 -m comment --comment "default/web loadbalancer IP" -j {EXT}
        -A KUBE-FW-LOLE4ISW44XBNF3G -m comment --comment "other traffic to default/web will be dropped by KUBE-PROXY-FIREWALL"
        -A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -j {EXT}
        -A KUBE-SVL-LOLE4ISW44XBNF3G -m comment --comment "default/web -> 10.244.1.3:8080" -j KUBE-SEP-23NJSXDYUSXY5E7Q
        """  # noqa: E501 -- as they are shown
    )
    assert at.shown("filter", "KUBE-PROXY-FIREWALL", "KUBE-NODEPORTS", "KUBE-EXTERNAL") == dedent(
        """\
        -A KUBE-NODEPORTS -p tcp -m comment --comment "default/web health check node port" -m tcp --dport 31234 -j ACCEPT
        -A KUBE-PROXY-FIREWALL -d 172.30.0.200/32 -p tcp -m comment --comment "default/web traffic not accepted by KUBE-FW-LOLE4ISW44XBNF3G" -m tcp --dport 80 -j DROP
        """  # noqa: E501 -- as they are shown
    )


def test_what_has_no_endpoints_is_upstreams_lines_and_no_chains() -> None:
    at = Node1()
    at.put(made((port(nodePort=30080),)))
    assert "SVC" not in at.shown("nat", "KUBE")
    assert at.shown("filter", "KUBE-SERVICES", "KUBE-EXTERNAL") == dedent(
        """\
        -A KUBE-EXTERNAL-SERVICES -d 203.0.113.7/32 -p tcp -m comment --comment "default/web has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
        -A KUBE-EXTERNAL-SERVICES -d 172.30.0.200/32 -p tcp -m comment --comment "default/web has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
        -A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "default/web has no endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j REJECT --reject-with icmp-port-unreachable
        -A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "default/web has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
        """  # noqa: E501 -- as they are shown
    )
    at.put(
        made((port(nodePort=30080),), externalTrafficPolicy="Local", internalTrafficPolicy="Local"), endpoints_of("c")
    )
    lines = at.shown("filter", "KUBE-SERVICES", "KUBE-EXTERNAL").splitlines()
    assert len(lines) == 4
    assert all('"default/web has no local endpoints"' in line and line.endswith("-j DROP") for line in lines)


def test_clients_that_stick_are_looked_for_first_and_remembered_by_their_endpoint() -> None:
    at = Node1()
    at.put(service(**sticky(600)), [slice_of("10.244.1.2", "10.244.2.2")])
    first, second = "KUBE-SEP-PXJ2U7QYT2QW5545", "KUBE-SEP-5Q3P56IRA2PP7VYF"
    known = [line.partition("-m recent ")[2] for line in at.tables.tables["nat"][SVC]]
    listed = "--mask 255.255.255.255 --rsource"
    assert known == [
        "",
        f"--rcheck --seconds 600 --reap --name {first} {listed} -j {first}",
        f"--rcheck --seconds 600 --reap --name {second} {listed} -j {second}",
        "",
        "",
    ]
    assert f"-m recent --set --name {first} {listed} -m tcp -j DNAT" in at.tables.tables["nat"][first][1]


def test_over_ipv6_things_are_written_as_they_are_there() -> None:
    at = Node1(FakeIptables("ip6"))
    case = in_six(Case("six", made((port(nodePort=30080),)), endpoints_of("b")))
    at.put(case.service, case.slices)
    shown = at.shown("nat", "KUBE-SEP", "KUBE-SERVICES")
    assert "-d fd00:10:96::a/128 -p tcp" in shown
    assert "--to-destination [fd00:10:244:1::3]:8080" in shown
    assert f'! -d ::1/128 -m comment --comment "{LAST}"' in shown
    at.put(case.service)
    assert "-j REJECT --reject-with tcp-reset" in at.shown("filter", "KUBE-SERVICES")


@pytest.mark.parametrize(
    ("detector", "cluster_ip", "pod_traffic"),
    [
        (TrafficDetector(link="eth0"), "-d 10.96.0.10/32 -i eth0 -p tcp", "! -i eth0 -m comment"),
        (TrafficDetector(pod_links="cali"), "-d 10.96.0.10/32 ! -i cali+ -p tcp", "-i cali+ -m comment"),
        (
            TrafficDetector(pods=("10.1.0.0/16",)),
            "! -s 10.1.0.0/16 -d 10.96.0.10/32 -p tcp",
            "-s 10.1.0.0/16 -m comment",
        ),
    ],
)
def test_local_traffic_is_detected_in_each_mode(detector: TrafficDetector, cluster_ip: str, pod_traffic: str) -> None:
    at = Node1(proxier=replace(proxier_of(), detector=detector))
    at.backend = IptablesBackend(at.tables, replace(proxier_of(), detector=detector))
    at.put(node_port_service(externalTrafficPolicy="Local"), endpoints_of("b"))
    assert at.tables.tables["nat"][SVC][0].startswith(cluster_ip)
    assert any(rule.startswith(pod_traffic) for rule in at.tables.tables["nat"][EXT])


def test_several_ranges_of_pods_have_a_chain_that_goes_through_them() -> None:
    at = Node1(proxier=replace(proxier_of(), detector=TrafficDetector(pods=("10.1.0.0/16", "10.9.0.0/16"))))
    at.put(service(), endpoints_of("b"))
    assert at.tables.tables["nat"][SVC][0].endswith("-j FAIRLEAD-OUTSIDE")
    assert at.tables.tables["nat"]["FAIRLEAD-OUTSIDE"] == [
        "-s 10.1.0.0/16 -j RETURN",
        "-s 10.9.0.0/16 -j RETURN",
        "-j KUBE-MARK-MASQ",
    ]


@pytest.mark.parametrize("family", [IPV4, IPV6], ids=lambda family: family.name)
def test_with_all_masqueraded_no_source_is_asked(family: Family) -> None:
    at = Node1(FakeIptables(family.table), replace(proxier_of(family), masquerade_all=True))
    case = Case("all", service(), endpoints_of("b"))
    case = in_six(case) if family is IPV6 else case
    at.put(case.service, case.slices)
    assert at.tables.tables["nat"][SVC][0].startswith("-d ")


def test_the_last_rule_limits_the_addresses_of_node_ports() -> None:
    def last(*ranges: str) -> list[str]:
        rules = Node1(proxier=replace(proxier_of(), node_ports=ranges)).tables.tables["nat"]["KUBE-SERVICES"]
        return [rule.partition(" -m comment")[0] for rule in rules]

    assert last() == ["! -d 127.0.0.0/8"]
    assert [text[:10] for text in last("0.0.0.0/0")] == ["-m comment"]
    assert last("10.0.0.0/8", "172.30.0.11/32") == ["-d 10.0.0.0/8", "-d 172.30.0.11/32"]


def test_what_listens_on_loopback_is_kept_from_neighbours_by_the_rule_that_kubelet_has() -> None:
    assert Node1().shown("filter", "KUBE-FIREWALL") == (
        '-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" '
        "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n"
    )
    assert Node1(FakeIptables("ip6")).shown("filter", "KUBE-FIREWALL") == ""


LABELS: Labels = (("ip_family", "IPv4"),)


def families(at: Node1, *, failures: int) -> dict[str, list[Sample]]:
    found = at.backend.families(LABELS, failures=failures, cleanup_failures=0)
    return {family.name: list(family.samples) for family in found}


def test_connections_to_node_ports_on_loopback_are_counted() -> None:
    at = Node1(proxier=replace(proxier_of(), node_ports=("0.0.0.0/0",)))
    at.put(node_port_service(), endpoints_of("b"))
    first, second = at.tables.tables["nat"]["KUBE-NODEPORTS"]
    assert first == f"-d 127.0.0.0/8 {second}"
    at.tables.packet_counts["nat", "KUBE-NODEPORTS", first] = 7
    found = families(at, failures=0)
    assert found["kubeproxy_iptables_localhost_nodeports_accepted_packets_total"] == [Sample(7, LABELS)]


def test_rules_failures_and_dropped_packets_are_counted() -> None:
    at = Node1()
    at.put(service(), endpoints_of("b"))
    at.tables.packet_counts["filter", "KUBE-FORWARD", "-m conntrack --ctstate INVALID -j DROP"] = 3
    at.tables.failures = [IptablesError("no")]
    with pytest.raises(IptablesError):
        at.put(service(), endpoints_of("b", "c"))
    found = families(at, failures=1)
    name = "kubeproxy_sync_proxy_rules_iptables"
    held = {table: sum(map(len, at.tables.tables[table].values())) for table in ("filter", "nat")}
    # The refused change stays desired: an endpoint's chain of two rules, and a line that leads to it.
    filter_, nat = (*LABELS, ("table", "filter")), (*LABELS, ("table", "nat"))
    assert found[f"{name}_total"] == [Sample(held["filter"], filter_), Sample(held["nat"] + 3, nat)]
    assert found[f"{name}_last"] == [Sample(0, filter_), Sample(5, nat)]
    assert found[f"{name}_restore_failures_total"] == [Sample(1, LABELS)]
    assert found[f"{name}_partial_restore_failures_total"] == [Sample(1, LABELS)]
    assert found["kubeproxy_iptables_ct_state_invalid_dropped_packets_total"] == [Sample(3, LABELS)]


def test_a_change_of_endpoints_carries_the_chains_that_it_changes_and_no_others() -> None:
    at = Node1()
    for i in range(30):
        at.put(service(f"s{i}", f"10.96.1.{i}"), [slice_of("10.244.1.2", "10.244.2.2")], name=f"s{i}")
    (restore,) = at.put(service("s7", "10.96.1.7"), [slice_of("10.244.1.2", "10.244.3.3")], name="s7")
    assert restore.table == "nat"
    kinds = [(edit.verb, edit.chain[:9]) for edit in restore.edits]
    assert kinds == [
        *(("make", "KUBE-SEP-"), ("append", "KUBE-SEP-"), ("append", "KUBE-SEP-")),
        *(("make", "KUBE-SVC-"), ("append", "KUBE-SVC-"), ("append", "KUBE-SVC-"), ("append", "KUBE-SVC-")),
        *(("make", "KUBE-SEP-"), ("remove", "KUBE-SEP-")),
    ]


def test_a_created_or_deleted_service_changes_single_rules_of_the_shared_chains() -> None:
    at = Node1()
    at.put(service("other", "10.96.0.11"), endpoints_of("b"), name="other")
    come = [
        e for r in at.put(made(), endpoints_of("b")) for e in r.edits if e.chain in ("KUBE-SERVICES", "KUBE-NODEPORTS")
    ]
    assert {(edit.verb, edit.at) for edit in come} == {("insert", 1)}
    gone = [e for r in at.put(None) for e in r.edits if e.chain in ("KUBE-SERVICES", "KUBE-NODEPORTS")]
    assert [edit.verb for edit in gone] == ["delete"] * len(come)
    assert LAST in at.tables.tables["nat"]["KUBE-SERVICES"][-1]
    assert not [name for name in at.tables.tables["nat"] if name == EXT]


@pytest.mark.parametrize("stick", [{}, sticky()])
def test_one_of_many_endpoints_is_few_lines(stick: dict[str, Any]) -> None:
    ips = [f"10.244.{1 + i // 200}.{i % 200 + 2}" for i in range(600)]
    at = Node1()
    at.put(service(**stick), [slice_of(*ips)])
    for now in (ips[:300] + ips[301:], ips, [*ips, "10.250.0.1"], [*ips[:7], "10.250.0.2", *ips[8:]]):
        edits = [edit for restore in at.put(service(**stick), [slice_of(*now)]) for edit in restore.edits]
        assert len(edits) <= 12
        drawn = [rule for rule in at.tables.tables["nat"][SVC] if "->" in rule and "--rcheck" not in rule]
        assert {rule.partition("-> ")[2].partition(":")[0] for rule in drawn} == set(now)
        assert [rule.partition("--probability ")[2][:6] for rule in drawn[-3:]] == ["0.3333", "0.5000", ""]
        assert len(drawn) == len(now)


def test_only_udp_frontends_with_changed_endpoints_are_reported() -> None:
    both = [EndpointPort(name="", port=8080, protocol="TCP"), EndpointPort(name="u", port=8080, protocol="UDP")]
    at = Node1()
    wanted = made()
    bring(at.backend, {"default/web": Source(wanted, [slice_of("10.244.1.3", ports=both)])}, at.node)
    assert at.backend.endpoints_of(UdpFrontend(VIP, 80)) == frozenset({("10.244.1.3", 8080)})
    assert at.backend.endpoints_of(UdpFrontend("10.96.9.9", 80)) is None
    everywhere = {UdpFrontend(ip, 80) for ip in (VIP, EXTERNAL, BALANCED)} | {UdpFrontend("", 30080)}
    outcome = bring(at.backend, {"default/web": Source(wanted, [slice_of("10.244.2.2", ports=both)])}, at.node)
    assert outcome.frontends == everywhere
    outcome = bring(at.backend, {"default/web": Source(wanted, [slice_of("10.244.2.2", ports=both)])}, at.node)
    assert (outcome.frontends, outcome.anything) == (frozenset(), False)


def test_of_two_services_that_had_one_address_the_one_that_stays_answers_udp_there() -> None:
    at, place = Node1(), UdpFrontend(VIP, 80)
    ports = [EndpointPort(name="", port=53, protocol="UDP")]
    first = service("a", VIP, [port(protocol="UDP")]), [slice_of("10.244.1.3", ports=ports)]
    second = service("b", VIP, [port(protocol="UDP")]), [slice_of("10.244.2.2", ports=ports)]
    at.put(*first, name="a")
    at.put(*second, name="b")
    assert at.backend.endpoints_of(place) == frozenset({("10.244.2.2", 53)})
    at.put(None, name="b")
    assert at.backend.endpoints_of(place) == frozenset({("10.244.1.3", 53)})
    at.put(None, name="a")
    assert at.backend.endpoints_of(place) is None


SHAPES: dict[str, dict[str, Any]] = {
    "plain": {"type": "ClusterIP", "externalIPs": []},
    "sticky": {"type": "ClusterIP", "externalIPs": [], **sticky()},
    "balanced": {},
    "guarded": {"loadBalancerSourceRanges": ["10.0.0.0/8"]},
    "local": {"externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local"},
    "kept": {"externalTrafficPolicy": "Local", **sticky()},
}
STEP = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["gone", *SHAPES]),
    st.integers(0, 4),
)
ENDS = (
    endpoints_of(),
    endpoints_of("b"),
    endpoints_of("b", "c"),
    endpoints_of("c"),
    [slice_of(*(f"10.244.1.{i}" for i in range(2, 92)))],
)


def shaped(name: str, shape: str) -> Service | None:
    if shape == "gone":
        return None
    number = 0 if "type" in SHAPES[shape] else 30000 + ord(name) * 10
    ports = (port(nodePort=number), port(name="u", protocol="UDP", nodePort=number and number + 1))
    found = made(ports, **SHAPES[shape])
    found.metadata.name = name
    found.spec.clusterIPs = [found.spec.clusterIP] = [f"10.96.0.{ord(name)}"]
    found.spec.externalIPs = [f"203.0.113.{ord(name)}"] if found.spec.externalIPs else []
    return found


@pytest.mark.slow
@given(st.lists(st.lists(STEP, min_size=1, max_size=3), max_size=6), st.sampled_from([None, 900, 4000]), st.data())
def test_any_order_of_changes_ends_with_the_tables_of_a_fresh_start(
    turns: list[list[tuple[str, str, int]]], limit: int | None, data: st.DataObject
) -> None:
    """Includes transactions of a few lines each, restarts, and refusals in the middle."""
    at = Node1(FakeIptables(limit=limit))
    now: dict[str, Source] = {}
    for turn in turns:
        changed = {name: Source(shaped(name, shape), ENDS[ends]) for name, shape, ends in turn}
        now |= changed
        how = data.draw(st.sampled_from(["change", "refused", "restart"]))
        if how == "change":
            bring(at.backend, changed, at.node)
        elif how == "refused":
            at.tables.refuse_after = data.draw(st.integers(0, 2))
            with contextlib.suppress(IptablesError):
                bring(at.backend, changed, at.node)
            at.tables.refuse_after = None
            asyncio.run(at.backend.resync())
        else:
            at = Node1(at.tables)
            bring(at.backend, now, at.node, whole=True)
    fresh = Node1()
    bring(fresh.backend, now, fresh.node, whole=True)
    assert at.state() == fresh.state()
    assert not bring(at.backend, now, at.node).anything
    assert not asyncio.run(at.backend.resync()).anything


class Watched(FakeIptables):
    """Calls an observer after each transaction."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.look: Callable[[], object] = lambda: None

    async def restore(self, restores: Sequence[Restore]) -> None:
        for one in restores:
            await super().restore([one])
            self.look()


SERVED = st.tuples(st.sampled_from([*SHAPES]), st.sampled_from([1, 2, 4]))


@pytest.mark.slow
@given(st.lists(SERVED, min_size=2, max_size=5), st.sampled_from([900, 2500]), st.booleans())
def test_between_two_transactions_of_a_change_clients_reach_an_endpoint_of_before_or_after(
    turns: list[tuple[str, int]], limit: int, restart: bool
) -> None:
    tables = Watched(limit)
    at, rng = Node1(tables), random.Random(5)
    before: set[str] = set()
    for shape, ends in turns:
        source = {"default/a": Source(shaped("a", shape), ENDS[ends])}
        after = {f"{endpoint.addresses[0]}:8080" for piece in ENDS[ends] for endpoint in piece.endpoints}
        allowed = before | after

        def look(allowed: set[str] = allowed) -> None:
            tracer = Tracer(tables, local=at.node.addresses, dice=RandomDice(rng))  # noqa: B023 -- called within the turn
            for _ in range(6):
                trace = tracer.trace(Packet("10.244.1.9", "10.96.0.97", 80, link="veth9"))
                assert (trace.fate, trace.target in allowed) == ("sent", True), str(trace)

        tables.look = look if before else lambda: None
        if restart:
            at = Node1.__new__(Node1)
            at.tables, at.node = tables, view("node1")
            at.backend = IptablesBackend(tables, proxier_of(), pods=pods(IPV4))
        bring(at.backend, source, at.node, whole=restart)
        before = after
