"""The disruption controller: its plans alone, and evictions of a whole cluster in virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.apps.statefulset import STATEFUL_SET
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import LabelSelector, ObjectMeta
from fairlead.api.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from fairlead.api.policy.poddisruptionbudget.kind import (
    PodDisruptionBudget,
    PodDisruptionBudgetSpec,
    PodDisruptionBudgetStatus,
)
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.workloads.disruption.plan import Scale, reconcile
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.plan import Plan
from tests.controllers.factories import APP, NOW, deployment, pod
from tests.controllers.test_statefulset import fresh as stateful
from tests.controllers.test_statefulset import names
from tests.controllers.world import World, in_served_world


def budget(**spec: Any) -> PodDisruptionBudget:
    meta = ObjectMeta(name="web", namespace="default", generation=2, resourceVersion="1")
    fields = {"selector": LabelSelector(matchLabels=APP), **spec}
    return PodDisruptionBudget(
        kind="PodDisruptionBudget", apiVersion="policy/v1", metadata=meta, spec=PodDisruptionBudgetSpec(**fields)
    )


def pods(ready: int, unready: int = 0) -> list[Pod]:
    return [pod(f"web-{number}", ready=number < ready) for number in range(ready + unready)]


def look(b: PodDisruptionBudget, found: list[Pod], scale: Scale | None = None, *, now: Instant = NOW) -> Plan:
    return reconcile(b, found, scale or Scale(len(found)), now=now)


def status(plan: Plan) -> PodDisruptionBudgetStatus:
    (update,) = plan.status
    found: PodDisruptionBudgetStatus = update.obj.status  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize(
    ("spec", "ready", "scale", "expected"),
    [
        ({"minAvailable": 2}, 3, 0, (3, 2, 3, 1)),
        ({"minAvailable": 3}, 3, 0, (3, 3, 3, 0)),
        ({"minAvailable": 1}, 0, 0, (0, 1, 0, 0)),
        ({"minAvailable": "50%"}, 3, 5, (3, 3, 5, 0)),
        ({"maxUnavailable": 1}, 3, 3, (3, 2, 3, 1)),
        ({"maxUnavailable": "30%"}, 5, 5, (5, 3, 5, 2)),
        ({"maxUnavailable": 9}, 2, 2, (2, 0, 2, 2)),
        ({}, 2, 0, (2, 0, 2, 2)),
    ],
)
def test_the_bound_and_the_healthy_pods_decide_how_many_may_go(
    spec: dict[str, Any], ready: int, scale: int, expected: tuple[int, ...]
) -> None:
    found = status(look(budget(**spec), pods(ready), Scale(scale)))
    counts = found.currentHealthy, found.desiredHealthy, found.expectedPods, found.disruptionsAllowed
    assert counts == expected
    assert found.observedGeneration == 2
    (condition,) = found.conditions
    allowed = expected[3] > 0
    assert (condition.type, condition.status) == ("DisruptionAllowed", "True" if allowed else "False")
    assert condition.reason == ("SufficientPods" if allowed else "InsufficientPods")


def test_a_settled_budget_is_not_written_again() -> None:
    b = budget(minAvailable=1)
    b.status = status(look(b, pods(2)))
    assert not look(b, pods(2))


def test_a_granted_eviction_counts_until_the_pod_is_gone_or_two_minutes_have_passed() -> None:
    b = budget(minAvailable=1)
    b.status.disruptedPods = {"web-0": render_time(NOW), "gone": render_time(NOW)}
    plan = look(b, pods(3))
    found = status(plan)
    assert (found.currentHealthy, found.disruptionsAllowed, list(found.disruptedPods)) == (2, 1, ["web-0"])
    assert plan.retry_after == 120.0
    late = look(b, pods(3), now=Instant(NOW + 121))
    assert (status(late).currentHealthy, status(late).disruptedPods) == (3, {})
    assert [event.reason for event in late.events] == ["NotDeleted"]


def test_pods_that_are_not_ready_or_terminate_are_not_healthy() -> None:
    found = [*pods(1, 1), pod("web-9", terminating=True)]
    assert status(look(budget(minAvailable=1), found)).currentHealthy == 1


def test_if_the_expected_number_is_unknown_nothing_may_go() -> None:
    b = budget(maxUnavailable=1)
    b.status.disruptionsAllowed = 1
    plan = look(b, pods(3), Scale(0, problem='found no controllers for pod "web-0"'))
    (condition,) = status(plan).conditions
    assert (status(plan).disruptionsAllowed, condition.reason) == (0, "SyncFailed")
    assert [(event.reason, event.message) for event in plan.events] == [
        (
            "CalculateExpectedPodCountFailed",
            'Failed to calculate the number of expected pods: found no controllers for pod "web-0"',
        )
    ]


def test_pods_without_a_workload_are_named_in_an_event() -> None:
    (event,) = look(budget(maxUnavailable=1), pods(1), Scale(0, unmanaged=True)).events
    assert event.reason == "UnmanagedPods"
    assert "(selector: &LabelSelector{MatchLabels:map[string]string{app: web,}," in event.message


async def evict(world: World, name: str) -> int:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    try:
        await world.client.raw("POST", POD.path("default", name, "eviction"), body=json.dumps(body).encode())
    except StatusError as error:
        return error.code
    return 201


def fresh(**spec: Any) -> PodDisruptionBudget:
    return msgspec.structs.replace(budget(**spec), metadata=ObjectMeta(name="web", namespace="default"))


@pytest.mark.parametrize("spec", [{"minAvailable": 2}, {"maxUnavailable": 1}, {"maxUnavailable": "10%"}])
def test_evictions_take_one_pod_at_a_time_and_go_on_when_its_successor_is_ready(spec: dict[str, Any]) -> None:
    async def story(world: World) -> None:
        await world.client.create(DEPLOYMENT, deployment())
        await world.client.create(POD_DISRUPTION_BUDGET, fresh(**spec))
        await asyncio.sleep(3)
        for _ in range(3):
            names = [p.metadata.name for p in await world.pods() if not p.metadata.deletionTimestamp]
            answers = await asyncio.gather(*(evict(world, name) for name in names))
            assert sorted(answers) == [201, 429, 429]
            await asyncio.sleep(3)
        found = await world.client.get(POD_DISRUPTION_BUDGET, "web", "default")
        assert (found.status.currentHealthy, found.status.desiredHealthy) == (3, 2)
        assert (found.status.disruptionsAllowed, found.status.disruptedPods) == (1, {})

    in_served_world(story)


def test_a_budget_of_a_stateful_set_asks_for_its_scale() -> None:

    async def story(world: World) -> None:
        await world.client.create(STATEFUL_SET, stateful(replicas=2))
        await world.client.create(POD_DISRUPTION_BUDGET, fresh(minAvailable="100%"))
        await asyncio.sleep(5)
        assert await names(world) == ["web-0", "web-1"]
        assert await evict(world, "web-0") == 429
        found = await world.client.get(POD_DISRUPTION_BUDGET, "web", "default")
        assert (found.status.expectedPods, found.status.desiredHealthy) == (2, 2)

    in_served_world(story)
