"""One packet that was really sent is compared with the ends that the rules predict, also through real kernels."""

from __future__ import annotations

import os
from functools import partial

import pytest

from fairlead.cmd.wiring.sending import observed as observed_in
from fairlead.cmd.wiring.sending import send
from fairlead.net import linux
from fairlead.net.conntrack.entries import Entry
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.proxy.inspection.live import Comparison, Observed, as_tree, compare, render
from fairlead.proxy.inspection.walk import End
from tests.net.sandbox import in_sandbox
from tests.proxy.backends import IPTABLES, NFTABLES, Kind, needing
from tests.proxy.inspected import ends_of, sender_of, world_of
from tests.proxy.objects import sticky
from tests.proxy.paths import EXTERNAL, NODE_PORT, NODES, PODS, VIP, Case, Probe, endpoints_of, made
from tests.proxy.test_paths import Real, at, of_family
from tests.proxy.test_trace_contract import read_back

CASE = Case("web", made(), endpoints_of("b", "c"))
ENTRY = Entry("tcp", PODS["a"], 40000, VIP, 80, PODS["b"], 8080, PODS["a"], 40000)
CHAINS = [("fairlead", chain) for chain in ("prerouting", "choose", "slots_2", "slots_2", "send")]


def predicted(probe: Probe) -> list[End]:
    return ends_of(world_of([CASE.service], CASE.slices, IPV4, NFTABLES), probe, IPV4, "plan")


def observed(outcome: str, entry: Entry | None = None, met: object = CHAINS) -> Observed:
    entries = {"node1": entry} if entry else {}
    return Observed(outcome, "", PODS["a"], 40000, entries, {"node1": met})  # type: ignore[dict-item]


TO_VIP = Probe("a", VIP, 80, "")


def test_the_end_is_the_one_that_connection_tracking_shows() -> None:
    found = compare(predicted(TO_VIP), observed("answered", ENTRY))
    assert found.agrees
    assert (found.endpoint, found.seen_as) == (f"{PODS['b']}:8080", PODS["a"])
    assert "  as predicted" in render(found)
    assert as_tree(found)["rules"] == {"node1": "agree"}


def test_an_endpoint_that_was_not_predicted_is_a_disagreement() -> None:
    found = compare(predicted(TO_VIP), observed("answered", ENTRY._replace(reply_source="10.244.9.9")))
    assert (found.agrees, found.end) == (False, None)
    assert "  NOT as predicted: no end above fits" in render(found)


def test_another_address_of_the_sender_is_a_disagreement() -> None:
    assert not compare(predicted(TO_VIP), observed("answered", ENTRY._replace(reply_target="10.244.1.1"))).agrees


@pytest.mark.parametrize("outcome", ["unreachable", "silent"])
def test_a_packet_that_finds_no_way_out_is_predicted_and_reaches_nothing(outcome: str) -> None:
    ends = predicted(Probe("a", "203.0.113.9", 80, ""))
    entry = Entry("tcp", PODS["a"], 40000, "203.0.113.9", 80, "203.0.113.9", 80, PODS["a"], 40000)
    found = compare(ends, observed(outcome, entry, [("fairlead", "prerouting")])._replace(met={}))
    assert found.agrees
    said = "\n".join(render(found))
    assert "was sent on to 203.0.113.9:80" in said
    assert "it reached" not in said


@pytest.mark.parametrize(
    ("met", "said"),
    [
        (CHAINS[:-1], "5 rules predicted, 4 matched"),
        ([*CHAINS[:1], ("fairlead", "other")], "rule 2: predicted in fairlead choose, matched in fairlead other"),
    ],
)
def test_other_rules_than_predicted_are_a_disagreement(met: object, said: str) -> None:
    found = compare(predicted(TO_VIP), observed("answered", ENTRY, met))
    assert (found.agrees, dict(found.rules)) == (False, {"node1": said})


def test_a_kernel_that_does_not_permit_its_trace_leaves_the_rest_of_the_comparison() -> None:
    found = compare(predicted(TO_VIP), observed("answered", ENTRY, None))
    assert (found.agrees, dict(found.rules)) == (True, {"node1": "not permitted"})


@pytest.mark.parametrize(("outcome", "agrees"), [("refused", True), ("unreachable", True), ("answered", False)])
def test_a_refusal_is_expected_where_the_rules_refuse(outcome: str, agrees: bool) -> None:
    assert compare(predicted(Probe("a", VIP, 81, "")), observed(outcome, None, None)).agrees == agrees


def _sent(family: Family, kind: Kind, case: Case, probe: Probe) -> tuple[bool, list[str], str]:
    """Returns whether all agrees, the rules' results, and the text."""
    real = Real(family=family, kind=kind)
    real.put(case)
    world = world_of([case.service], case.slices, family, kind, read_back(real, family, kind))
    kernel = ends_of(world, probe, family, "kernel")
    nodes = {name: real.cluster.node(int(name[-1])) for name in NODES}
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    origin = {**nodes, "fabric": outside, **{who: pod.netns for who, pod in zip(PODS, real.cluster.pods, strict=True)}}
    sender = sender_of(probe.who, family, probe.ip)
    tree = linux.in_thread(
        partial(
            send, origin[probe.who], nodes, source=sender.address, target=probe.ip, port=probe.port,
            protocol=probe.protocol,
        )
    )  # fmt: skip
    found: Comparison = compare(kernel, observed_in(tree))
    return found.agrees, sorted(found.rules.values()), "\n".join(render(found))


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("kind", [needing(NFTABLES), needing(IPTABLES)])
@pytest.mark.parametrize("family", [IPV4, IPV6], ids=lambda family: family.name)
@pytest.mark.parametrize(
    ("who", "ip", "port", "protocol"),
    [
        ("a", VIP, 80, "tcp"),
        ("a", VIP, 80, "udp"),
        ("a", VIP, 81, "tcp"),
        ("node1", VIP, 80, "tcp"),
        ("fabric", EXTERNAL, 80, "tcp"),
        ("c", NODES["node1"], NODE_PORT, "tcp"),
    ],
)
def test_the_kernels_own_trace_has_the_rules_of_the_prediction(
    who: str, ip: str, port: int, protocol: str, family: Family, kind: Kind
) -> None:
    probe = Probe(who, at(ip, family), port, "", protocol=protocol)
    agrees, rules, text = in_sandbox(partial(_sent, family, kind, of_family(CASE, family), probe), ordinary=True)
    assert agrees, text
    assert "agree" in rules, "the kernel permits its trace, and the packet passed a node"
    assert "not permitted" not in rules


def _remembered(kind: Kind) -> list[list[tuple[str, float]]]:
    """Returns the ends before and after a client of a sticky Service has connected."""
    real = Real(kind=kind)
    case = Case("sticky", made(**sticky()), endpoints_of("b", "c"))
    real.put(case)
    found = []
    for _ in range(2):
        world = world_of([case.service], case.slices, IPV4, kind, read_back(real, IPV4, kind))
        found.append([(end.address, end.probability) for end in ends_of(world, TO_VIP, IPV4, "kernel")])
        found.append([(real.ask(TO_VIP).split()[0], 0.0)])
    return found


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("kind", [needing(NFTABLES), needing(IPTABLES)])
def test_a_trace_knows_the_clients_that_a_sticky_service_remembers(kind: Kind) -> None:
    before, answered, after, again = in_sandbox(partial(_remembered, kind))
    assert [(ip, round(share, 6)) for ip, share in before] == [(PODS["b"], 0.5), (PODS["c"], 0.5)]
    assert after == [(answered[0][0], 1.0)]
    assert again == answered
