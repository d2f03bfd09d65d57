"""Traces of every case of the traffic contract: by the plan, by the rules that a kernel has, and by real packets."""

from __future__ import annotations

from functools import partial

import pytest

from fairlead.net import linux
from fairlead.net.family import IPV4, Family
from fairlead.proxy.inspection.reading import read_rules
from fairlead.proxy.inspection.ruleset import NodeText
from fairlead.proxy.inspection.tracing import differences
from fairlead.proxy.inspection.walk import End
from fairlead.proxy.inspection.world import World
from tests.net.sandbox import in_sandbox
from tests.proxy.backends import FAKES, KERNELS, LEGACY, Kind
from tests.proxy.inspected import ends_of, world_of
from tests.proxy.paths import CASES, NODES, VIP, Case, Probe, six
from tests.proxy.test_paths import FAMILIES, Real, answers_of, of_family


def world(case: Case, family: Family, kind: Kind, texts: dict[str, NodeText] | None = None) -> World:
    return world_of([case.service], case.slices, family, kind, texts)


def wrong_ends(case: Case, probe: Probe, found: list[End], family: Family, kind: Kind) -> str:
    """Returns what the ends have wrong; empty if they are what the contract demands."""
    kinds, listens = {end.kind for end in found}, {end.address for end in found}
    if abs(sum(end.probability for end in found) - 1) > 1e-6:
        return f"{probe}: the probabilities do not add up to 1"
    if probe.expected == "dropped":
        good = kinds == {"dropped"}
    elif probe.expected == "refused":
        good = kinds == {"refused"} or (kinds == {"node"} and listens == {probe.ip})
    else:
        expected = answers_of(probe, family)
        kept = probe.kept and not (kind.iptables and probe.who in NODES and probe.ip in (VIP, six(VIP)))
        shares = [end.probability for end in found]
        good = kinds == {"pod"} and listens == expected and {end.port for end in found} == {8080}
        good = good and {bool(end.masqueraded_by) for end in found} == {not kept}
        good = good and max(shares) - min(shares) < 1e-6
        good = good and all(end.owner.slice == "default/web-1" for end in found)
    return "" if good else f"{case.name}: {probe}: {[(e.kind, e.address, e.masqueraded_by, e.reason) for e in found]}"


@FAKES
@FAMILIES
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trace_over_the_plan_finds_every_end_and_its_probability(case: Case, family: Family, kind: Kind) -> None:
    case = of_family(case, family)
    made = world(case, family, kind)
    wrong = [wrong_ends(case, p, ends_of(made, p, family, "plan"), family, kind) for p in case.probes]
    assert not any(wrong), [text for text in wrong if text]


@FAKES
def test_a_refusal_names_the_service_and_the_reason(kind: Kind) -> None:
    reasons: dict[str, set[str]] = {}
    for case in CASES:
        made = world(case, IPV4, kind)
        for probe in case.probes:
            for end in ends_of(made, probe, IPV4, "plan"):
                if end.kind in ("refused", "dropped"):
                    reasons.setdefault(case.name, set()).add(end.reason)
    assert "Service default/web has no endpoints for port 80" in reasons["no endpoints"]
    assert reasons["internal traffic kept on the node"] == {
        "Service default/web keeps traffic on its node, and no endpoint is there"
    }
    assert {text.partition(" from ")[0] for text in reasons["source ranges"]} == {
        "Service default/web does not allow clients"
    }
    assert "no Service answers at 10.97.1.2 port 80" in reasons["cluster ip"]


def read_back(real: Real, family: Family, kind: Kind) -> dict[str, NodeText]:
    variant = "legacy" if kind is LEGACY else ""
    return {
        name: linux.in_netns(real.cluster.node(int(name[-1])), partial(read_rules, family, variant=variant))
        for name in NODES
    }


def _agreement(family: Family, kind: Kind) -> list[str]:
    real, wrong = Real(family=family, kind=kind), []
    for case in (of_family(case, family) for case in CASES):
        real.put(case)
        made = world(case, family, kind, read_back(real, family, kind))
        for probe in case.probes:
            plan, kernel = (ends_of(made, probe, family, source) for source in ("plan", "kernel"))
            wrong += [f"{case.name}: {probe}: {text}" for text in differences(plan, kernel)]
            if said := unseen(real.ask(probe), probe, kernel, family):
                wrong.append(f"{case.name}: {said}")
    return wrong


def unseen(answer: str, probe: Probe, found: list[End], family: Family) -> str:
    """Returns an error if the answer to a real packet is not one of the ends."""
    pods, kinds = {(end.address, end.source) for end in found if end.kind == "pod"}, {end.kind for end in found}
    words = answer.split()
    if len(words) == 2:
        # A node's own client may send from either of its addresses.
        good = tuple(words) in pods or (probe.who in NODES and words[0] in {ip for ip, _ in pods})
    elif answer == "dropped":
        good = "dropped" in kinds
    else:
        good = bool(kinds & {"refused", "node"})
    return "" if good else f"{probe}: the kernel says {answer}, the trace {sorted(pods) or sorted(kinds)}"


@pytest.mark.kernel
@pytest.mark.slow
@KERNELS
@FAMILIES
def test_traces_by_plan_and_by_the_kernels_rules_agree_with_real_packets(family: Family, kind: Kind) -> None:
    assert in_sandbox(partial(_agreement, family, kind), ordinary=True) == []
