"""Jobs: the plan alone, and Jobs of a whole control plane in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

from fairlead.api.batch.job import JOB
from fairlead.api.batch.job.spec import (
    JobSpec,
    SuccessPolicy,
    SuccessPolicyRule,
)
from fairlead.api.batch.job.status import UncountedTerminatedPods
from fairlead.api.batch.job.types import Job
from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.pod.containers.containerstatus import ContainerStatus
from fairlead.api.core.pod.kind import POD
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.job.backoff import Outcome, next_creation, wait_s
from fairlead.controllers.workloads.job.intervals import parse_indexes, render_indexes
from fairlead.controllers.workloads.job.plan import orphaned, reconcile
from fairlead.controllers.workloads.job.pods import FAILURE_COUNT, INDEX, TRACKING
from fairlead.machinery.values.status import StatusError
from tests.controllers.factories import NOW, pod
from tests.controllers.jobbench import Bench, indexed, job, policy, started
from tests.controllers.world import World, in_served_world


def test_a_job_runs_its_pods_in_parallel_and_counts_each_success_once() -> None:
    bench = started(job(completions=3, parallelism=2))
    assert [p.metadata.finalizers for p in bench.pods] == [[TRACKING], [TRACKING]]
    assert (bench.job.status.active, bench.job.status.startTime) == (2, render_time(NOW))
    for done in range(3):
        bench.finish()
        bench.settle()
        assert bench.job.status.succeeded == done + 1
    assert bench.conditions() == [
        ("SuccessCriteriaMet", "True", "CompletionsReached"),
        ("Complete", "True", "CompletionsReached"),
    ]
    assert bench.job.status.completionTime == render_time(NOW)
    assert bench.job.status.uncountedTerminatedPods == UncountedTerminatedPods()
    assert bench.events == ["Completed: Job completed"]
    assert [p.metadata.finalizers for p in bench.pods] == [[], [], []]


def test_a_pod_is_recorded_before_its_finalizer_goes_and_counted_after() -> None:
    bench = started(job())
    bench.finish()
    uid = bench.pods[0].metadata.uid
    first = bench.step()
    assert not first.patch
    assert bench.job.status.uncountedTerminatedPods == UncountedTerminatedPods(succeeded=[uid])
    assert bench.job.status.succeeded == 0
    second = bench.plan()
    assert [patch.patch["metadata"]["finalizers"] for patch in second.patch] == [[]]
    assert bench.plan() == second  # a lost answer repeats the step and counts nothing twice
    bench.settle()
    assert bench.job.status.succeeded == 1


def test_a_failed_pod_is_replaced_after_a_wait_that_doubles() -> None:
    bench = started(job())
    for wait in (10.0, 20.0, 40.0):
        bench.finish(1)
        bench.settle()
        assert bench.active() == []
        assert bench.plan().retry_after == wait
        bench.now = Instant(bench.now + wait)
        bench.settle()
        assert len(bench.active()) == 1
    assert bench.job.status.failed == 3


def test_the_wait_ends_at_ten_minutes_and_a_success_resets_it() -> None:
    assert [wait_s(n) for n in (0, 1, 2, 6, 7, 100)] == [0.0, 10.0, 20.0, 320.0, 600.0, 600.0]
    ends = {"a": Outcome(Instant(1.0), False), "b": Outcome(Instant(2.0), True), "c": Outcome(Instant(3.0), False)}
    assert next_creation(ends) == 13.0


def test_too_many_failures_end_the_job_and_its_other_pods() -> None:
    bench = started(job(completions=2, parallelism=2, backoffLimit=0))
    bench.finish(1)
    bench.settle()
    assert bench.conditions() == [
        ("FailureTarget", "True", "BackoffLimitExceeded"),
        ("Failed", "True", "BackoffLimitExceeded"),
    ]
    assert bench.events == ["BackoffLimitExceeded: Job has reached the specified backoff limit"]
    assert (bench.job.status.failed, bench.job.status.active, bench.active()) == (2, 0, [])
    assert bench.job.status.completionTime is None


def test_restarts_of_containers_count_with_restart_policy_on_failure() -> None:
    bench = started(job(backoffLimit=2))
    bench.job.spec.template.spec.restartPolicy = "OnFailure"
    bench.pods[0].status.phase = "Running"
    bench.pods[0].status.containerStatuses = [ContainerStatus(name="web", restartCount=2)]
    bench.settle()
    assert bench.conditions()[-1] == ("Failed", "True", "BackoffLimitExceeded")


def test_the_deadline_ends_the_job() -> None:
    bench = started(job(activeDeadlineSeconds=30))
    assert bench.plan().retry_after == 30.0
    bench.now = Instant(bench.now + 30)
    bench.settle()
    assert bench.conditions()[-1] == ("Failed", "True", "DeadlineExceeded")
    assert bench.events == ["DeadlineExceeded: Job was active longer than specified deadline"]


def test_a_suspended_job_loses_its_pods_uncounted_and_starts_anew() -> None:
    bench = started(job(completions=2, parallelism=2))
    bench.respec(suspend=True)
    bench.settle()
    assert bench.conditions() == [("Suspended", "True", "JobSuspended")]
    assert (bench.pods, bench.job.status.failed, bench.job.status.startTime) == ([], 0, None)
    bench.respec(suspend=False)
    bench.now = Instant(bench.now + 5)
    bench.settle()
    assert bench.conditions() == [("Suspended", "False", "JobResumed")]
    assert (len(bench.active()), bench.job.status.startTime) == (2, render_time(bench.now))
    assert bench.events == ["Suspended: Job suspended", "Resumed: Job resumed"]


def test_less_parallelism_removes_pods_uncounted() -> None:
    bench = started(job(completions=5, parallelism=3))
    bench.respec(parallelism=1)
    bench.settle()
    assert (len(bench.pods), bench.job.status.active, bench.job.status.failed) == (1, 1, 0)


def test_a_work_queue_ends_after_its_first_success_and_the_end_of_the_others() -> None:
    bench = started(job(completions=None, parallelism=2))
    bench.finish()
    bench.settle()
    assert (len(bench.active()), bench.conditions()) == (1, [])
    bench.finish()
    bench.settle()
    assert bench.conditions()[-1] == ("Complete", "True", "CompletionsReached")
    assert bench.job.status.succeeded == 2


def test_each_index_has_a_pod_that_knows_it() -> None:
    bench = started(indexed(2))
    made = {p.metadata.annotations[INDEX]: p for p in bench.pods}
    assert sorted(made) == ["0", "1"]
    assert made["1"].spec.hostname == "work-1"
    assert made["1"].metadata.labels[INDEX] == "1"
    assert [v.name for v in made["1"].spec.containers[0].env] == ["JOB_COMPLETION_INDEX"]
    bench.finish(index=1)
    bench.settle()
    assert (bench.job.status.completedIndexes, bench.job.status.succeeded) == ("1", 1)
    bench.finish(index=0)
    bench.settle()
    assert (bench.job.status.completedIndexes, bench.conditions()[-1][0]) == ("0,1", "Complete")


def test_a_failed_index_is_tried_again_up_to_its_own_limit_and_the_others_go_on() -> None:
    bench = started(indexed(2, backoffLimitPerIndex=1, backoffLimit=2**31 - 1))
    bench.finish(1, index=0)
    bench.settle()
    failed = next(p for p in bench.pods if p.status.phase == "Failed")
    assert failed.metadata.finalizers == [TRACKING]  # until its replacement carries its count
    bench.now = Instant(bench.now + 10)
    bench.settle()
    again = next(p for p in bench.active() if p.metadata.annotations[INDEX] == "0")
    assert again.metadata.annotations[FAILURE_COUNT] == "1"
    bench.finish(1, index=0)
    bench.settle()
    assert (bench.job.status.failedIndexes, bench.job.status.failed, bench.conditions()) == ("0", 2, [])
    bench.finish(index=1)
    bench.settle()
    assert bench.job.status.completedIndexes == "1"
    assert bench.conditions()[-1] == ("Failed", "True", "FailedIndexes")


def test_more_failed_indexes_than_allowed_end_the_job() -> None:
    bench = started(indexed(3, backoffLimitPerIndex=0, backoffLimit=2**31 - 1, maxFailedIndexes=0))
    bench.finish(1, index=2)
    bench.settle()
    assert bench.conditions()[-1] == ("Failed", "True", "MaxFailedIndexesExceeded")


def test_the_failure_policy_ends_the_job_with_a_message_that_names_the_pod() -> None:
    bench = started(job(podFailurePolicy=policy("FailJob", 42)))
    bench.finish(42)
    name = bench.pods[0].metadata.name
    bench.settle()
    last = bench.job.status.conditions[-1]
    text = f"Container web for pod default/{name} failed with exit code 42 matching FailJob rule at index 0"
    assert (last.type, last.reason, last.message) == ("Failed", "PodFailurePolicy", text)


def test_the_failure_policy_ignores_failures_and_fails_indexes() -> None:
    bench = started(job(podFailurePolicy=policy("Ignore", 42), backoffLimit=0))
    bench.finish(42)
    bench.settle()
    assert (bench.job.status.failed, bench.conditions()) == (0, [])
    bench = started(indexed(2, podFailurePolicy=policy("FailIndex", 42), backoffLimitPerIndex=5, backoffLimit=99))
    bench.finish(42, index=1)
    bench.settle()
    assert bench.job.status.failedIndexes == "1"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (SuccessPolicyRule(succeededIndexes="0"), True),
        (SuccessPolicyRule(succeededIndexes="0,1"), False),
        (SuccessPolicyRule(succeededIndexes="0-2", succeededCount=1), True),
        (SuccessPolicyRule(succeededCount=2), False),
    ],
)
def test_the_success_policy_ends_the_job_early_without_failures(rule: SuccessPolicyRule, expected: bool) -> None:
    bench = started(indexed(3, successPolicy=SuccessPolicy(rules=[rule])))
    bench.finish(index=0)
    bench.settle()
    assert bool(bench.conditions()) == expected
    if expected:
        assert bench.conditions()[-1] == ("Complete", "True", "SuccessPolicy")
        assert bench.job.status.conditions[0].message == "Matched rules at index 0"
        assert (bench.job.status.failed, bench.job.status.succeeded) == (0, 1)


def test_with_replacement_of_failed_pods_a_terminating_pod_keeps_its_place() -> None:
    bench = started(job(podReplacementPolicy="Failed"))
    bench.pods = [bench._deleted(bench.pods[0])]
    bench.settle()
    assert (len(bench.pods), bench.job.status.terminating, bench.job.status.failed) == (1, 1, 0)
    bench.respec(podReplacementPolicy="TerminatingOrFailed")
    bench.settle()
    bench.now = Instant(bench.now + 10)
    bench.settle()
    assert (len(bench.active()), bench.job.status.failed) == (1, 1)


def test_the_job_of_another_controller_is_left_alone() -> None:
    assert not Bench(job(managedBy="example.com/other")).plan()
    assert Bench(job(managedBy="kubernetes.io/job-controller")).plan()


def test_a_pod_is_adopted_with_its_finalizer_and_released_without() -> None:
    stranger = pod("stranger", phase="Pending")
    (patch,) = reconcile(job(), [stranger], outcomes={}, now=NOW).patch
    assert patch.patch["metadata"]["finalizers"] == [TRACKING]
    assert patch.patch["metadata"]["ownerReferences"][0]["uid"] == "uid-work"
    owner = controller_reference("batch/v1", "Job", job().metadata)
    relabelled = pod("mine", labels={"app": "x"}, owner=owner, finalizers=["a/b", TRACKING])
    (patch,) = reconcile(job(), [relabelled], outcomes={}, now=NOW).patch
    assert patch.patch["metadata"]["finalizers"] == ["a/b"]
    assert patch.patch["metadata"]["ownerReferences"] == []


def test_a_pod_that_no_job_counts_loses_its_finalizer() -> None:
    owner = controller_reference("batch/v1", "Job", job().metadata)
    left = pod("left", owner=owner, finalizers=[TRACKING])
    assert orphaned(left, None).patch
    assert not orphaned(left, job())
    assert not orphaned(pod("other"), None)
    other = msgspec.structs.replace(owner, kind="ReplicaSet", apiVersion="apps/v1")
    assert not orphaned(pod("other", owner=other, finalizers=[TRACKING]), None)


@pytest.mark.parametrize(
    ("indexes", "text"), [((), ""), ((3,), "3"), ((0, 1), "0,1"), ((0, 1, 2, 4, 7, 8), "0-2,4,7,8")]
)
def test_indexes_are_written_as_ranges_and_read_back(indexes: tuple[int, ...], text: str) -> None:
    assert render_indexes(indexes) == text
    assert parse_indexes(text, 9) == frozenset(indexes)
    assert parse_indexes(text, 3) == frozenset(i for i in indexes if i < 3)


async def submitted(world: World, name: str = "work", image: str = "good", **spec: Any) -> None:
    body = {"restartPolicy": "Never", "containers": [{"name": "web", "image": image}]}
    made = msgspec.convert({"metadata": {"name": name, "namespace": "default"}}, Job)
    made.spec = msgspec.convert({"template": {"spec": body}, **spec}, JobSpec)
    await world.client.create(JOB, made)


async def read(world: World, name: str = "work") -> Job:
    return await world.client.get(JOB, name, "default")


async def told(world: World, name: str = "work") -> Counter[str]:
    found = (await world.client.list(EVENT)).items
    return Counter({e.reason: e.count or 1 for e in found if e.involvedObject.name == name})


def test_a_job_of_twenty_pods_completes_and_counts_twenty() -> None:
    async def story(world: World) -> None:
        world.exit_codes["good"] = 0
        await submitted(world, completions=20, parallelism=5)
        await asyncio.sleep(30)
        status = (await read(world)).status
        assert (status.succeeded, status.failed, status.active, status.terminating) == (20, 0, 0, 0)
        assert [c.type for c in status.conditions] == ["SuccessCriteriaMet", "Complete"]
        pods = await world.pods()
        assert (len(pods), {tuple(p.metadata.finalizers) for p in pods}) == (20, {()})
        assert (await told(world))["Completed"] == 1
        await world.client.delete(JOB, "work", "default", propagation="Background")
        await asyncio.sleep(5)
        assert await world.pods() == []

    in_served_world(story)


def test_a_job_whose_pods_fail_ends_after_its_limit_and_is_deleted_after_its_time() -> None:
    async def story(world: World) -> None:
        world.exit_codes["bad"] = 1
        await submitted(world, image="bad", backoffLimit=2, ttlSecondsAfterFinished=60)
        await asyncio.sleep(45)
        job = await read(world)
        assert (job.status.failed, job.status.conditions[-1].reason) == (3, "BackoffLimitExceeded")
        await asyncio.sleep(70)
        with pytest.raises(StatusError):
            await read(world)
        assert await world.pods() == []

    in_served_world(story)


def test_a_running_job_that_is_deleted_leaves_no_pod_behind() -> None:
    async def story(world: World) -> None:
        for name, propagation in (("a", "Background"), ("b", "Foreground")):
            await submitted(world, name, parallelism=2, completions=2)
            await asyncio.sleep(2)
            await world.client.delete(JOB, name, "default", propagation=propagation)
        await asyncio.sleep(5)
        assert await world.pods() == []
        assert (await world.client.list(JOB)).items == []

    in_served_world(story)


def test_pods_of_a_deleted_job_that_are_kept_lose_their_finalizer() -> None:
    async def story(world: World) -> None:
        await submitted(world)
        await asyncio.sleep(2)
        await world.client.delete(JOB, "work", "default", propagation="Orphan")
        await asyncio.sleep(5)
        (left,) = await world.pods()
        assert (left.metadata.ownerReferences, left.metadata.finalizers) == ([], [])

    in_served_world(story)


def test_a_deleted_pod_counts_as_failed_and_a_suspended_one_does_not() -> None:
    async def story(world: World) -> None:
        await submitted(world)
        await asyncio.sleep(2)
        (first,) = await world.pods()
        await world.client.delete(POD, first.metadata.name, "default")
        await asyncio.sleep(15)
        assert ((await read(world)).status.failed, len(await world.pods())) == (1, 1)
        await world.client.patch(JOB, "work", "default", patch={"spec": {"suspend": True}})
        await asyncio.sleep(5)
        assert ((await read(world)).status.failed, await world.pods()) == (1, [])
        assert (await told(world))["Suspended"] == 1

    in_served_world(story)
