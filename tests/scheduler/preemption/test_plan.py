from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fairlead.api.core.node.kind import Taint
from fairlead.api.core.pod.placement.affinity import Affinity, PodAffinityTerm, PodAntiAffinity
from fairlead.api.core.pod.status import PodCondition
from fairlead.api.meta.types import LabelSelector, ObjectMeta
from fairlead.api.policy.poddisruptionbudget.kind import (
    PodDisruptionBudget,
    PodDisruptionBudgetSpec,
    PodDisruptionBudgetStatus,
)
from fairlead.base.instant import Instant, render_time
from fairlead.scheduler.cache.podinfo import pod_info
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.plan import Chosen, Unschedulable, choose
from fairlead.scheduler.preemption.plan import NoPreemption, Preemption, preempt
from tests.controllers.factories import NOW, node
from tests.scheduler.worlds import asking, first, three, wanting, world

HOSTNAME = "kubernetes.io/hostname"


def put(snapshot: Snapshot, name: str, where: str, *, started: float = 0, **fields: Any) -> None:
    placed = asking(name, **fields)
    placed.status.startTime = render_time(Instant(NOW + started))
    snapshot.put_pod(f"default/{name}", placed, where)


def outcome(
    snapshot: Snapshot, budgets: Sequence[PodDisruptionBudget] = (), **fields: Any
) -> Preemption | NoPreemption:
    """Returns the preemption for a new pod; its requests fit nowhere without."""
    info = pod_info(asking(**fields))
    result = choose(info, snapshot, tie=first)
    assert isinstance(result, Unschedulable), result
    return preempt(info, snapshot, result, budgets)


def evicted(result: Preemption | NoPreemption) -> tuple[str, list[str]]:
    assert isinstance(result, Preemption), result
    return result.node, [victim.pod.metadata.name for victim in result.victims]


def message(result: Preemption | NoPreemption) -> str:
    assert isinstance(result, NoPreemption), result
    return result.message


def budget(labels: dict[str, str], allowed: int, disrupted: Sequence[str] = ()) -> PodDisruptionBudget:
    return PodDisruptionBudget(
        metadata=ObjectMeta(name="budget", namespace="default"),
        spec=PodDisruptionBudgetSpec(selector=LabelSelector(matchLabels=labels)),
        status=PodDisruptionBudgetStatus(
            disruptionsAllowed=allowed, disruptedPods=dict.fromkeys(disrupted, render_time(NOW))
        ),
    )


def test_only_as_many_pods_go_as_are_needed_and_the_least_important_first() -> None:
    snapshot = world([node()])  # has 2 cpu
    put(snapshot, "old", "node1", cpu="500m", started=0)
    put(snapshot, "young", "node1", cpu="500m", started=60)
    put(snapshot, "higher", "node1", cpu="500m", priority=5, started=60)
    put(snapshot, "equal", "node1", cpu="500m", priority=10)
    assert evicted(outcome(snapshot, cpu="500m", priority=10)) == ("node1", ["young"])
    assert evicted(outcome(snapshot, cpu="1", priority=10)) == ("node1", ["old", "young"])
    assert evicted(outcome(snapshot, cpu="1500m", priority=10)) == ("node1", ["higher", "old", "young"])


def test_pods_of_equal_priority_stay() -> None:
    snapshot = world([node()])
    put(snapshot, "a", "node1", cpu="2", priority=10)
    assert message(outcome(snapshot, cpu="1", priority=10)) == (
        "0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )


def test_a_message_tells_the_nodes_apart() -> None:
    taint = Taint(key="k", effect="NoSchedule")
    nodes = [node("node1"), node("node2"), node("node3", taints=[taint])]
    snapshot = world(nodes)
    put(snapshot, "low", "node1", cpu="500m")
    put(snapshot, "high", "node1", cpu="1500m", priority=20)
    put(snapshot, "high2", "node2", cpu="2", priority=20)
    assert message(outcome(snapshot, cpu="1", priority=10)) == (
        "0/3 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod, "
        "1 Preemption is not helpful for scheduling."
    )


def test_a_node_that_is_too_small_as_a_whole_is_not_emptied() -> None:
    snapshot = world([node()])
    put(snapshot, "low", "node1", cpu="2")
    text = "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    assert message(outcome(snapshot, cpu="3", priority=10)) == text


def test_the_node_with_the_least_important_victims_is_used() -> None:
    snapshot = world(three())
    put(snapshot, "a", "node1", cpu="2", priority=3)
    put(snapshot, "b", "node2", cpu="2", priority=1)
    put(snapshot, "c", "node3", cpu="2", priority=2)
    assert evicted(outcome(snapshot, cpu="1", priority=10)) == ("node2", ["b"])


def test_of_equally_important_victims_fewer_and_later_ones_go() -> None:
    snapshot = world(three()[:2])
    for name, where, cpu in (("a", "node1", "1"), ("b", "node1", "1"), ("c", "node2", "2")):
        put(snapshot, name, where, cpu=cpu)
    assert evicted(outcome(snapshot, cpu="2", priority=10)) == ("node2", ["c"])
    equal = world(three())
    for i, started in ((1, 0), (2, 120), (3, 60)):
        put(equal, f"p{i}", f"node{i}", cpu="2", started=started)
    assert evicted(outcome(equal, cpu="1", priority=10)) == ("node2", ["p2"])


def test_a_budget_is_broken_only_if_nothing_else_helps() -> None:
    snapshot = world(three()[:2])
    put(snapshot, "guarded", "node1", cpu="2")
    put(snapshot, "free", "node2", app="other", cpu="2", priority=5)
    exhausted = budget({"app": "web"}, 0)
    assert evicted(outcome(snapshot, cpu="1", priority=10)) == ("node1", ["guarded"])
    assert evicted(outcome(snapshot, [exhausted], cpu="1", priority=10)) == ("node2", ["free"])
    assert evicted(outcome(snapshot, [budget({"app": "web"}, 1)], cpu="1", priority=10)) == ("node1", ["guarded"])
    granted = budget({"app": "web"}, 0, ["guarded"])
    assert evicted(outcome(snapshot, [granted], cpu="1", priority=10)) == ("node1", ["guarded"])
    alone = world([node()])
    put(alone, "guarded", "node1", cpu="2")
    result = outcome(alone, [exhausted], cpu="1", priority=10)
    assert evicted(result) == ("node1", ["guarded"])
    assert isinstance(result, Preemption)
    assert result.violations == 1


def test_on_one_node_pods_whose_budget_is_exhausted_stay_first() -> None:
    snapshot = world([node()])
    put(snapshot, "guarded", "node1", cpu="1", started=60)
    put(snapshot, "free", "node1", app="other", cpu="1", priority=5)
    exhausted = budget({"app": "web"}, 0)
    assert evicted(outcome(snapshot, [exhausted], cpu="1", priority=10)) == ("node1", ["free"])


def test_a_pod_with_the_policy_never_waits() -> None:
    snapshot = world([node()])
    put(snapshot, "low", "node1", cpu="2")
    text = message(outcome(snapshot, cpu="1", priority=10, policy="Never"))
    assert text == "not eligible due to preemptionPolicy=Never."


def test_a_pod_whose_victims_still_end_evicts_no_more() -> None:
    snapshot = world(three()[:2])
    put(snapshot, "a", "node1", cpu="2")
    put(snapshot, "b", "node2", cpu="2")
    info = pod_info(asking(cpu="1", priority=10))
    snapshot.nominate(info, "node1")
    result = choose(info, snapshot, tie=first)
    assert isinstance(result, Unschedulable)
    assert isinstance(preempt(info, snapshot, result, ()), Preemption), "nothing ends yet"
    victim = asking("a", cpu="2")
    victim.metadata.deletionTimestamp = render_time(NOW)
    victim.status.conditions = [
        PodCondition(type="DisruptionTarget", status="True", reason="PreemptionByScheduler"),
    ]
    snapshot.put_pod("default/a", victim, "node1")
    assert preempt(info, snapshot, result, ()) == NoPreemption(
        "not eligible due to a terminating pod on the nominated node.", keep=True
    )


def test_room_made_for_one_pod_is_not_taken_by_another_of_lower_priority() -> None:
    snapshot = world([node()])
    snapshot.nominate(pod_info(asking("first", cpu="1500m", priority=10)), "node1")
    low = choose(pod_info(asking("low", cpu="1", priority=5)), snapshot, tie=first)
    assert isinstance(low, Unschedulable)
    assert low.message == "0/1 nodes are available: 1 Insufficient cpu."
    assert isinstance(choose(pod_info(asking("high", cpu="1", priority=20)), snapshot, tie=first), Chosen)
    assert isinstance(choose(pod_info(asking("first", cpu="1500m", priority=10)), snapshot, tie=first), Chosen)


@pytest.mark.parametrize("labels", [{"app": "web"}, {"app": "db"}])
def test_pods_go_that_keep_another_away_by_anti_affinity(labels: dict[str, str]) -> None:
    term = PodAffinityTerm(topologyKey=HOSTNAME, labelSelector=LabelSelector(matchLabels=labels))
    apart = Affinity(podAntiAffinity=PodAntiAffinity(requiredDuringSchedulingIgnoredDuringExecution=[term]))
    snapshot = world([node()])
    snapshot.put_pod("default/shy", wanting("shy", labels=labels), "node1")
    info = pod_info(wanting(affinity=apart, priority=10))
    result = choose(info, snapshot, tie=first)
    assert isinstance(result, Unschedulable)
    assert evicted(preempt(info, snapshot, result, ())) == ("node1", ["shy"])


def test_a_nominated_node_is_used_though_others_are_better() -> None:
    snapshot = world(three())
    info = pod_info(asking(cpu="1"))
    put(snapshot, "a", "node2", cpu="500m")
    snapshot.nominate(info, "node2")
    assert choose(info, snapshot, tie=first) == Chosen("node2")
