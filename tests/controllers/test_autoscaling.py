"""The autoscaling controller: its computations alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fairlead.api.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from fairlead.api.autoscaling.horizontalpodautoscaler.metrics import MetricSpec
from fairlead.api.autoscaling.horizontalpodautoscaler.types import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpec,
)
from fairlead.api.core.pod.kind import Pod
from fairlead.api.meta.types import LabelSelector, LabelSelectorRequirement
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.workloads.autoscaling.behavior import History, Normalized, normalize
from fairlead.controllers.workloads.autoscaling.proposals import Failure, Proposal, propose, selector_text
from fairlead.controllers.workloads.autoscaling.replicas import by_average, by_ratio, by_utilization, per_pod
from fairlead.controllers.workloads.autoscaling.values import Facts, NotComputable, PodValue, Tolerances
from fairlead.machinery.kinds.decode import to_tree
from tests.api.objects import made
from tests.controllers.factories import NOW, pod

NEVER = Tolerances(0, 0)


def loaded(count: int, *, request: str = "200m", since: float = -3600, **fields: Any) -> list[Pod]:
    """Returns running pods named web-0 and so on, each with a request of cpu."""
    pods = []
    for number in range(count):
        one = pod(f"web-{number}", since=Instant(NOW + since), **fields)
        one.spec.containers[0].resources.requests = {"cpu": request}
        one.status.startTime = render_time(Instant(NOW + since))
        pods.append(one)
    return pods


def values(*milli: int, age_s: float = 0) -> dict[str, PodValue]:
    return {f"web-{i}": PodValue(v, Instant(NOW - age_s), 15.0) for i, v in enumerate(milli)}


def facts(
    pods: list[Pod], *, desired: int | None = None, present: int = 1, tolerances: Tolerances | None = None
) -> Facts:
    count = len(pods) if desired is None else desired
    return Facts("default", count, present, pods, tolerances or Tolerances(), NOW)


@pytest.mark.parametrize(
    ("uses", "percent", "expected"),
    [
        ((200, 200), 50, 4),
        ((100, 100), 50, 2),
        ((105, 105), 50, 2),  # within the tolerance of a tenth
        ((112, 112), 50, 3),
        ((20, 20), 50, 1),
        ((0, 0), 50, 0),
    ],
)
def test_replicas_follow_the_use_of_the_requests(uses: tuple[int, ...], percent: int, expected: int) -> None:
    found, use = by_utilization(percent, values(*uses), facts(loaded(2)), resource="cpu", container="")
    assert found == expected
    assert (use.percent, use.average) == (sum(uses) * 100 // 400, sum(uses) // 2)


def test_pods_without_values_damp_a_change_in_both_directions() -> None:
    def count(*uses: int, pods: int) -> int:
        return by_utilization(50, values(*uses), facts(loaded(pods)), resource="cpu", container="")[0]

    assert count(200, pods=1) == 2
    assert count(200, pods=2) == 2, "the other pod counts as idle: 50 % of both"
    assert count(200, 200, 200, pods=4) == 6, "three of four: 75 %"
    assert count(20, pods=2) == 2, "the other pod counts as fully used: no decrease"
    assert count(0, 0, 0, 0, 0, pods=6) == 2


def test_starting_pods_count_as_idle_and_ending_ones_not_at_all() -> None:
    pods = loaded(3)
    pods[1].status.phase = "Pending"
    pods[2].metadata.deletionTimestamp = render_time(NOW)
    found, use = by_utilization(50, values(200, 200, 200), facts(pods, desired=2), resource="cpu", container="")
    assert (found, use.percent) == (2, 100)


def test_cpu_of_a_pod_counts_only_once_it_is_measured_since_it_is_ready() -> None:
    young = loaded(1, since=-10)
    with pytest.raises(NotComputable, match="did not receive metrics for targeted pods"):
        by_utilization(50, values(200), facts(young), resource="cpu", container="")
    settled = loaded(1, since=-20)
    assert by_utilization(50, values(200), facts(settled), resource="cpu", container="")[0] == 2
    never_ready = loaded(1, since=-400, ready=False)
    with pytest.raises(NotComputable):
        by_utilization(50, values(200), facts(never_ready), resource="cpu", container="")


def test_a_missing_request_is_named() -> None:
    pods = loaded(1)
    pods[0].spec.containers[0].resources.requests = {}
    for container, text in (
        ("", "missing request for cpu in container web of Pod web-0"),
        ("web", "missing request for cpu in container web of Pod web-0"),
        ("other", "container other not found in Pod web-0"),
    ):
        with pytest.raises(NotComputable) as error:
            by_utilization(50, values(200), facts(pods), resource="cpu", container=container)
        assert str(error.value) == text


def test_averages_and_values_of_the_whole_follow_upstreams_formulas() -> None:
    pods = loaded(2)
    assert by_average(100, values(150, 250), facts(pods), resource="cpu") == (4, 200)
    assert by_average(200, values(190, 200), facts(pods), resource="cpu") == (2, 195)
    assert by_ratio(2.5, facts(pods)) == 5
    assert by_ratio(1.05, facts(pods)) == 2
    assert by_ratio(3.2, facts([], desired=0)) == 4
    with pytest.raises(NotComputable, match="unable to calculate ready pods: no pods returned by selector"):
        by_ratio(2.0, facts([], desired=2))
    assert per_pod(900, 300, facts(pods, present=2)) == (3, 450)
    assert per_pod(620, 300, facts(pods, present=2)) == (2, 310)
    assert per_pod(600, 300, facts(pods, present=0)) == (2, 600)


def spec(**fields: Any) -> HorizontalPodAutoscalerSpec:
    tree = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 20, **fields},
    }
    hpa: HorizontalPodAutoscaler = made(HORIZONTAL_POD_AUTOSCALER, tree)
    return hpa.spec


def sizes(rules: HorizontalPodAutoscalerSpec, steps: Mapping[int, int], *, start: int) -> list[tuple[int, str]]:
    """Returns the sizes, and what limited them, for recommendations at times in seconds."""
    current, history, found = start, History(), []
    for at, recommended in steps.items():
        now = Instant(NOW + at)
        result: Normalized = normalize(rules, current, recommended, history, now)
        history = result.history
        if result.replicas != current:
            history = history.with_change(current, result.replicas, now)
        current = result.replicas
        found.append((current, result.limited.reason))
    return found


def test_without_behaviour_a_workload_doubles_at_most_and_shrinks_after_five_minutes() -> None:
    steps = {0: 20, 15: 20, 30: 20, 45: 1, 320: 1, 346: 1}
    assert sizes(spec(), steps, start=1) == [
        (4, "ScaleUpLimit"),
        (8, "ScaleUpLimit"),
        (16, "ScaleUpLimit"),
        (20, "DesiredWithinRange"),
        (20, "DesiredWithinRange"),
        (1, "DesiredWithinRange"),
    ]
    assert sizes(spec(), {0: 30, 15: 30}, start=15) == [(20, "TooManyReplicas"), (20, "TooManyReplicas")]
    assert sizes(spec(minReplicas=3), {0: 1}, start=4) == [(3, "TooFewReplicas")]


@pytest.mark.parametrize(
    ("policies", "select", "expected"),
    [
        ([("Pods", 2, 60)], "Max", [3, 3, 5]),
        ([("Percent", 100, 60)], "Max", [2, 2, 4]),
        ([("Pods", 2, 60), ("Percent", 100, 60)], "Max", [3, 3, 6]),
        ([("Pods", 2, 60), ("Percent", 100, 60)], "Min", [2, 2, 4]),
        ([("Pods", 2, 60)], "Disabled", [1, 1, 1]),
    ],
)
def test_policies_limit_increases_within_their_periods(
    policies: list[tuple[str, int, int]], select: str, expected: list[int]
) -> None:
    rules = [{"type": type, "value": value, "periodSeconds": period} for type, value, period in policies]
    behavior = {"scaleUp": {"policies": rules, "selectPolicy": select}}
    found = sizes(spec(behavior=behavior), {0: 20, 30: 20, 61: 20}, start=1)
    assert [size for size, _ in found] == expected


def test_decreases_wait_for_their_window_and_keep_to_their_policies() -> None:
    down = {"stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 3, "periodSeconds": 30}]}
    found = sizes(spec(behavior={"scaleDown": down}), {0: 10, 15: 2, 61: 2, 76: 2, 95: 2, 130: 2}, start=10)
    assert [size for size, _ in found] == [10, 10, 7, 7, 4, 2]
    assert found[2][1] == "ScaleDownLimit"
    now = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    assert sizes(spec(behavior=now), {0: 1}, start=10) == [(1, "DesiredWithinRange")]


def test_increases_can_be_stabilized_too() -> None:
    up = {
        "scaleUp": {
            "stabilizationWindowSeconds": 60,
            "policies": [{"type": "Percent", "value": 900, "periodSeconds": 15}],
        }
    }
    found = sizes(spec(behavior=up), {0: 2, 15: 8, 50: 8, 61: 8}, start=2)
    assert [size for size, _ in found] == [2, 2, 2, 8]


def metric(**tree: Any) -> MetricSpec:
    return spec(metrics=[tree]).metrics[0]


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
QUEUE: dict[str, Any] = {"name": "queue_length", "selector": {"matchLabels": {"queue": "mail"}}}
EXTERNAL = {"type": "External", "external": {"metric": QUEUE, "target": {"type": "AverageValue", "averageValue": "30"}}}
RATE = {"type": "Pods", "pods": {"metric": {"name": "rate"}, "target": {"type": "AverageValue", "averageValue": "10"}}}
HITS = {
    "type": "Object",
    "object": {
        "describedObject": {"kind": "Service", "name": "web", "apiVersion": "v1"},
        "metric": {"name": "hits"},
        "target": {"type": "Value", "value": "100"},
    },
}


def test_each_source_names_itself_and_shows_its_value() -> None:
    pods = loaded(2)
    everything = facts(pods, present=2)
    shown = "&LabelSelector{MatchLabels:map[string]string{queue: mail,},MatchExpressions:[]LabelSelectorRequirement{},}"
    for tree, observed, expected in (
        (CPU, values(200, 200), (4, "cpu resource utilization (percentage of request)", "200m")),
        (RATE, values(20_000, 20_000), (4, "pods metric rate", "20")),
        (HITS, (250_000,), (5, "Service metric hits", "250")),
        (EXTERNAL, (60_000, 60_000), (4, f"external metric queue_length({shown})", "60")),
    ):
        found = propose(metric(**tree), observed, everything)
        assert isinstance(found, Proposal)
        source: Any = next(s for s in to_tree(found.status).values() if isinstance(s, dict))
        amount = source["current"].get("averageValue") or source["current"].get("value")
        assert (found.replicas, found.name, amount) == expected


@pytest.mark.parametrize(
    ("tree", "reason", "message", "error"),
    [
        (
            CPU,
            "FailedGetResourceMetric",
            "failed to get cpu utilization: unable to get metrics for resource cpu: none",
            "failed to get cpu resource metric value: failed to get cpu utilization: "
            "unable to get metrics for resource cpu: none",
        ),
        (
            RATE,
            "FailedGetPodsMetric",
            "unable to get metric rate: none",
            "failed to get pods metric value: unable to get metric rate: none",
        ),
        (
            HITS,
            "FailedGetObjectMetric",
            "unable to get metric hits: none on Service default/web",
            "failed to get object metric value: unable to get metric hits: none on Service default/web",
        ),
    ],
)
def test_a_metric_without_values_says_so_in_upstreams_words(
    tree: dict[str, Any], reason: str, message: str, error: str
) -> None:
    assert propose(metric(**tree), NotComputable("none"), facts(loaded(1))) == Failure(reason, message, error)


def test_a_selector_is_shown_as_upstream_shows_it() -> None:
    assert selector_text(None) == "nil"
    terms = [LabelSelectorRequirement(key="a", operator="In", values=["b", "c"])]
    assert selector_text(LabelSelector(matchExpressions=terms)) == (
        "&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{"
        "LabelSelectorRequirement{Key:a,Operator:In,Values:[b c],},},}"
    )
