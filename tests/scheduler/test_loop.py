"""The scheduler over the fake API and over the real API server, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.placement.affinity import Affinity, PodAffinity, PodAffinityTerm
from fairlead.api.core.pod.spec import PodSchedulingGate
from fairlead.api.core.pod.volumes.claim import PersistentVolumeClaimSpec, VolumeResourceRequirements
from fairlead.api.core.pod.volumes.volume import PersistentVolumeClaimVolumeSource, Volume
from fairlead.api.meta.types import LabelSelector, ObjectMeta
from fairlead.api.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from fairlead.api.policy.poddisruptionbudget.kind import PodDisruptionBudget, PodDisruptionBudgetSpec
from fairlead.api.scheduling.priorityclass.kind import PRIORITY_CLASS, PriorityClass
from fairlead.machinery.values.status import StatusError
from fairlead.scheduler.metrics import QUEUES
from tests.controllers.world import World, in_served_world, in_world
from tests.scheduler.worlds import asking, wanting


async def create(world: World, pod: Pod, **spec: Any) -> None:
    pod.metadata.resourceVersion, pod.status.conditions = "", []
    for name, value in spec.items():
        setattr(pod.spec, name, value)
    if pod.spec.priority:
        pod.spec.priorityClassName = await priority_class(world, pod.spec.priority, pod.spec.preemptionPolicy)
    await world.client.create(POD, pod)


async def priority_class(world: World, value: int, policy: str | None) -> str:
    """Creates a class if it does not exist, and returns its name."""
    name = f"p{value}"
    made = PriorityClass(metadata=ObjectMeta(name=name), value=value, preemptionPolicy=policy or "PreemptLowerPriority")
    try:
        await world.client.create(PRIORITY_CLASS, made)
    except StatusError as error:
        if error.code != 409:
            raise
    else:
        await asyncio.sleep(0.1)  # admission reads its cache
    return name


async def place(world: World, name: str) -> str:
    return (await world.client.get(POD, name, "default")).spec.nodeName


async def reason(world: World, name: str) -> str:
    pod = await world.client.get(POD, name, "default")
    return next((c.message for c in pod.status.conditions if c.type == "PodScheduled" and c.status == "False"), "")


async def events(world: World, why: str) -> list[str]:
    return sorted(e.message for e in (await world.client.list(EVENT)).items if e.reason == why)


def test_a_pod_of_higher_priority_takes_the_place_of_another() -> None:
    async def story(world: World) -> None:
        for number in (1, 2, 3):
            await create(world, asking(f"low{number}", priority=1, cpu="1500m"))
        await asyncio.sleep(2)
        await create(world, asking("high", priority=1000, cpu="1"))
        await asyncio.sleep(3)
        high = await world.client.get(POD, "high", "default")
        assert high.spec.nodeName.startswith("node")
        names = {p.metadata.name for p in await world.pods()}
        assert len(names & {"low1", "low2", "low3"}) == 2, "one victim is enough"
        assert high.status.nominatedNodeName in ("", high.spec.nodeName)
        text = f"Preempted by pod {high.metadata.uid} on node {high.spec.nodeName}"
        assert await events(world, "Preempted") == [text]
        assert await events(world, "FailedScheduling") == ["0/3 nodes are available: 3 Insufficient cpu."]

    in_served_world(story)


def test_a_victim_bears_the_condition_and_the_preemptor_its_node_until_the_victim_is_gone() -> None:
    async def story(world: World) -> None:
        world.silent.add("node1")  # its pods do not end
        await create(world, asking("low", cpu="2"))
        await asyncio.sleep(1)
        assert await place(world, "low") == "node1"
        await create(world, asking("high", priority=7, cpu="2"))
        await asyncio.sleep(3)
        victim = await world.client.get(POD, "low", "default")
        (target,) = [c for c in victim.status.conditions if c.type == "DisruptionTarget"]
        assert (target.status, target.reason) == ("True", "PreemptionByScheduler")
        assert target.message == "default-scheduler: preempting to accommodate a higher priority pod"
        assert victim.metadata.deletionTimestamp
        high = await world.client.get(POD, "high", "default")
        assert (high.spec.nodeName, high.status.nominatedNodeName) == ("", "node1")
        await create(world, asking("middle", priority=5, cpu="1"))
        await asyncio.sleep(2)
        assert await place(world, "middle") == "", "the room is kept"
        await world.client.delete(POD, "low", "default", grace_period_seconds=0)
        await asyncio.sleep(2)
        assert await place(world, "high") == "node1"
        assert await place(world, "middle") == ""

    in_world(story, nodes=1)


def test_a_pod_that_must_not_preempt_waits_and_says_so() -> None:
    async def story(world: World) -> None:
        await create(world, asking("low", cpu="2"))
        await asyncio.sleep(1)
        await create(world, asking("polite", priority=7, policy="Never", cpu="1"))
        await asyncio.sleep(2)
        assert await reason(world, "polite") == (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
        )
        await world.client.delete(POD, "low", "default")
        await asyncio.sleep(2)
        assert await place(world, "polite") == "node1"

    in_world(story, nodes=1)


def test_a_disruption_budget_saves_its_pods_if_others_can_go() -> None:
    async def story(world: World) -> None:
        for number in (1, 2, 3):
            await create(world, asking(f"low{number}", app="other", cpu="2"))
            await asyncio.sleep(1)
        guarded = await place(world, "low2")
        await world.client.patch(POD, "low2", "default", patch={"metadata": {"labels": {"app": "guarded"}}})
        selector = LabelSelector(matchLabels={"app": "guarded"})
        spec = PodDisruptionBudgetSpec(minAvailable=1, selector=selector)
        budget = PodDisruptionBudget(metadata=ObjectMeta(name="b", namespace="default"), spec=spec)
        await world.client.create(POD_DISRUPTION_BUDGET, budget)
        await asyncio.sleep(2)
        for number in (1, 2):
            await create(world, asking(f"high{number}", priority=9, cpu="2"))
            await asyncio.sleep(3)
        assert {await place(world, "high1"), await place(world, "high2")} == {"node1", "node2", "node3"} - {guarded}
        assert await place(world, "low2") == guarded

    in_world(story)


def test_pods_of_higher_priority_are_placed_first() -> None:
    async def story(world: World) -> None:
        await world.client.patch(NODE, "node1", patch={"spec": {"unschedulable": True}})
        await asyncio.sleep(1)
        for name, priority in (("a", 0), ("b", 5), ("c", 9)):
            await create(world, asking(name, priority=priority, cpu="1500m"))
        await asyncio.sleep(15)
        await world.client.patch(NODE, "node1", patch={"spec": {"unschedulable": None}})
        await asyncio.sleep(1)
        assert [await place(world, name) for name in "abc"] == ["", "", "node1"]

    in_world(story, nodes=1)


def test_a_gated_pod_is_placed_when_its_gates_are_gone() -> None:
    async def story(world: World) -> None:
        await create(world, wanting("gated", schedulingGates=[PodSchedulingGate(name="example.com/a")]))
        await asyncio.sleep(1)
        assert await place(world, "gated") == ""
        await world.client.patch(
            POD, "gated", "default", patch={"spec": {"schedulingGates": None, "nodeSelector": {"disk": "ssd"}}}
        )
        await asyncio.sleep(1)
        assert await reason(world, "gated") == (
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. "
            "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        )
        await world.client.patch(NODE, "node2", patch={"metadata": {"labels": {"disk": "ssd"}}})
        await asyncio.sleep(1)
        assert await place(world, "gated") == "node2"

    in_served_world(story)


def test_a_change_of_a_namespaces_labels_wakes_a_pod_that_needs_it() -> None:
    async def story(world: World) -> None:
        await create(world, wanting("db", labels={"app": "db"}))
        await asyncio.sleep(1)
        term = PodAffinityTerm(
            topologyKey="kubernetes.io/hostname",
            labelSelector=LabelSelector(matchLabels={"app": "db"}),
            namespaceSelector=LabelSelector(matchLabels={"team": "a"}),
        )
        near = Affinity(podAffinity=PodAffinity(requiredDuringSchedulingIgnoredDuringExecution=[term]))
        await world.client.patch(NODE, "node1", patch={"metadata": {"labels": {"kubernetes.io/hostname": "node1"}}})
        await create(world, wanting("web", labels={"app": "web"}, affinity=near))
        await asyncio.sleep(1)
        assert "1 node(s) didn't match pod affinity rules" in await reason(world, "web")
        await world.client.patch(NAMESPACE, "default", patch={"metadata": {"labels": {"team": "a"}}})
        await asyncio.sleep(1)
        assert await place(world, "web") == await place(world, "db")

    in_world(story, nodes=1)


def test_a_claim_that_is_created_later_wakes_its_pod() -> None:
    async def story(world: World) -> None:
        source = PersistentVolumeClaimVolumeSource(claimName="data")
        await create(world, wanting("web", volumes=[Volume(name="v", persistentVolumeClaim=source)]))
        await asyncio.sleep(1)
        assert (await reason(world, "web")).startswith(
            '0/3 nodes are available: persistentvolumeclaim "data" not found.'
        )
        needs = VolumeResourceRequirements(requests={"storage": "1Gi"})
        spec = PersistentVolumeClaimSpec(accessModes=["ReadWriteOnce"], resources=needs)
        claim = PersistentVolumeClaim(metadata=ObjectMeta(name="data", namespace="default"), spec=spec)
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim)
        await asyncio.sleep(1)
        assert (await reason(world, "web")).startswith(
            "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
        )

    in_world(story)


def test_equal_pods_that_fit_nowhere_are_all_told_and_all_placed_later() -> None:
    async def story(world: World) -> None:
        for number in range(5):
            await create(world, wanting(f"p{number}", nodeSelector={"disk": "ssd"}))
        await asyncio.sleep(1)
        texts = {await reason(world, f"p{number}") for number in range(5)}
        assert len(texts) == 1
        assert "1 node(s) didn't match Pod's node affinity/selector" in texts.pop()
        await world.client.patch(NODE, "node1", patch={"metadata": {"labels": {"disk": "ssd"}}})
        await asyncio.sleep(2)
        assert {await place(world, f"p{number}") for number in range(5)} == {"node1"}

    in_world(story, nodes=1)


def test_attempts_waiting_pods_and_evictions_are_counted() -> None:
    async def story(world: World) -> None:
        for number in (1, 2, 3):
            await create(world, asking(f"low{number}", priority=1, cpu="1500m"))
        await create(world, wanting("gated"), schedulingGates=[PodSchedulingGate(name="later")])
        await asyncio.sleep(2)
        await create(world, asking("high", priority=1000, cpu="1"))
        await asyncio.sleep(3)
        await create(world, asking("huge", cpu="100"))
        await asyncio.sleep(3)
        found = {}
        for family in world.scheduling.families():
            for s in family.samples:
                name = family.name.removeprefix("scheduler_") + s.suffix
                found[name, *(value for label, value in s.labels if label != "profile")] = s.value
        pending = {queue: found["pending_pods", queue] for queue in QUEUES}
        assert found["schedule_attempts_total", "scheduled"] == 4
        assert found["schedule_attempts_total", "unschedulable"] >= 2
        assert found["scheduling_attempt_duration_seconds_count", "scheduled"] == 4
        assert found["pod_scheduling_sli_duration_seconds_count", "1"] == 3
        assert found["pod_scheduling_sli_duration_seconds_count", "2"] == 1
        assert (found["pod_scheduling_attempts_count",], found["pod_scheduling_attempts_sum",]) == (4, 5)
        assert pending == {"active": 0, "backoff": 0, "unschedulable": 1, "gated": 1}
        assert found["preemption_attempts_total",] >= 2
        assert (found["preemption_victims_count",], found["preemption_victims_sum",]) == (1, 1)

    in_world(story)
