"""CronJobs: times of schedules, the plan alone, and CronJobs of a whole control plane in virtual time."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from fairlead.api.batch.cronjob import CRON_JOB
from fairlead.api.batch.cronjob.kind import CronJob, CronJobSpec, CronJobStatus
from fairlead.api.batch.cronjob.schedule import parse_schedule
from fairlead.api.batch.job import JOB
from fairlead.api.batch.job.status import JobCondition, JobStatus
from fairlead.api.batch.job.types import Job
from fairlead.api.core.event.kind import EVENT
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.instant import Instant, parse_time, render_time
from fairlead.controllers.workloads.cronjob.plan import SCHEDULED_AT, reconcile
from fairlead.controllers.workloads.cronjob.times import next_time
from fairlead.runtime.plan import Plan
from tests.controllers.applying import applied
from tests.controllers.world import World, in_served_world

MIDNIGHT = parse_time("2024-03-01T00:00:00Z")


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "expected"),
    [
        ("*/5 * * * *", "UTC", "2024-03-01T00:00:00+00:00", "2024-03-01T00:05:00+00:00"),
        ("*/5 * * * *", "UTC", "2024-03-01T00:04:59+00:00", "2024-03-01T00:05:00+00:00"),
        ("0 0 29 2 *", "UTC", "2024-03-01T00:00:00+00:00", "2028-02-29T00:00:00+00:00"),
        ("0 0 30 2 *", "UTC", "2024-03-01T00:00:00+00:00", None),
        ("30 9 13 * 5", "UTC", "2024-09-01T00:00:00+00:00", "2024-09-06T09:30:00+00:00"),
        ("0 0 1 1 *", "UTC", "2024-12-31T23:59:00+00:00", "2025-01-01T00:00:00+00:00"),
        ("@every 90s", "UTC", "2024-03-01T00:00:10+00:00", "2024-03-01T00:01:40+00:00"),
        ("0 9 * * *", "Asia/Kolkata", "2024-03-01T00:00:00+00:00", "2024-03-01T09:00:00+05:30"),
        # Clocks go forward at 02:00 and back at 03:00 in Berlin.
        ("30 2 * * *", "Europe/Berlin", "2024-03-31T01:00:00+01:00", "2024-04-01T02:30:00+02:00"),
        ("0 * * * *", "Europe/Berlin", "2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"),
        ("30 2 * * *", "Europe/Berlin", "2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"),
    ],
)
def test_the_next_time_of_a_schedule(schedule: str, zone: str, after: str, expected: str | None) -> None:
    start = Instant(datetime.fromisoformat(after).timestamp())
    at = next_time(parse_schedule(schedule), start, ZoneInfo(zone))
    assert at == (None if expected is None else datetime.fromisoformat(expected).timestamp())


def cron_job(schedule: str = "0 * * * *", *, status: CronJobStatus | None = None, **spec: Any) -> CronJob:
    meta = ObjectMeta(name="tick", namespace="default", uid="uid-tick", creationTimestamp=render_time(MIDNIGHT))
    fields = {"schedule": schedule, "concurrencyPolicy": "Allow", "suspend": False, **spec}
    fields = {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1, **fields}
    return CronJob(metadata=meta, spec=CronJobSpec(**fields), status=status or CronJobStatus())


class Bench:
    """A CronJob and its Jobs, to which plans are applied."""

    def __init__(self, cron_job: CronJob) -> None:
        self.cron_job = cron_job
        self.jobs: list[Job] = []
        self.events: list[str] = []
        self.now = MIDNIGHT

    def step(self) -> Plan:
        names = {job.metadata.name for job in self.jobs}
        plan = reconcile(self.cron_job, self.jobs, taken=names.__contains__, now=self.now)
        self.jobs = applied(plan, self.jobs, Job)
        for update in plan.status:
            assert isinstance(update.obj, CronJob)
            self.cron_job = update.obj
        done = [write.done for write in plan.create]
        done += [write.done for write in plan.delete]
        done += [write.done for write in plan.status]
        self.events += [event.reason for event in (*done, *plan.events) if event is not None]
        return plan

    def at(self, seconds: float) -> Plan:
        """Moves the clock and applies plans until nothing but events is left; returns the last."""
        self.now = Instant(MIDNIGHT + seconds)
        for _ in range(9):
            plan = self.step()
            if not (plan.create or plan.delete or plan.status):
                return plan
        raise AssertionError("the CronJob does not come to rest")

    def end(self, type: str = "Complete") -> None:
        """Ends all Jobs that run."""
        at = render_time(self.now)
        status = JobStatus(
            startTime=at,
            completionTime=at if type == "Complete" else None,
            conditions=[JobCondition(type=type, status="True", lastTransitionTime=at)],
        )
        self.jobs = [j if j.status.conditions else msgspec.structs.replace(j, status=status) for j in self.jobs]

    def names(self) -> list[str]:
        return [job.metadata.name for job in self.jobs]


def test_a_job_is_created_at_its_time_and_named_after_it() -> None:
    bench = Bench(cron_job(timeZone="Asia/Kolkata"))
    assert bench.at(0).retry_after == 1800.0  # a full hour of Kolkata
    plan = bench.at(1800)
    (job,) = bench.jobs
    assert job.metadata.name == f"tick-{int(MIDNIGHT + 1800) // 60}"
    assert job.metadata.annotations[SCHEDULED_AT] == "2024-03-01T06:00:00+05:30"
    assert [ref.name for ref in bench.cron_job.status.active] == [job.metadata.name]
    assert bench.cron_job.status.lastScheduleTime == "2024-03-01T00:30:00Z"
    assert (plan.retry_after, bench.events) == (3600.0, ["SuccessfulCreate"])


def test_a_job_that_ended_leaves_the_active_ones_and_sets_the_time_of_success() -> None:
    bench = Bench(cron_job())
    bench.at(3600)
    bench.now = Instant(MIDNIGHT + 3700)
    bench.end()
    bench.at(3700)
    assert bench.cron_job.status.active == []
    assert bench.cron_job.status.lastSuccessfulTime == render_time(Instant(MIDNIGHT + 3700))
    assert bench.events[-1] == "SawCompletedJob"


def test_of_many_missed_times_only_the_last_is_met() -> None:
    bench = Bench(cron_job())
    bench.at(3600 * 200 + 5)
    assert bench.names() == [f"tick-{int(MIDNIGHT + 3600 * 200) // 60}"]
    assert "TooManyMissedTimes" in bench.events


def test_a_time_past_its_deadline_is_missed() -> None:
    bench = Bench(cron_job(startingDeadlineSeconds=3700))
    assert bench.at(3600 + 1800).retry_after == 1800.0
    assert len(bench.jobs) == 1
    late = Bench(cron_job("0 0 * * *", startingDeadlineSeconds=10))
    late.at(86400 + 11)
    assert late.jobs == []


@pytest.mark.parametrize(("policy", "expected"), [("Allow", [1, 2]), ("Forbid", [1]), ("Replace", [2])])
def test_the_concurrency_policy_decides_about_a_job_that_still_runs(policy: str, expected: list[int]) -> None:
    bench = Bench(cron_job(concurrencyPolicy=policy))
    bench.at(3600)
    bench.at(7200)
    assert bench.names() == [f"tick-{int(MIDNIGHT + 3600 * hour) // 60}" for hour in expected]
    assert ("JobAlreadyActive" in bench.events) == (policy == "Forbid")
    assert [ref.name for ref in bench.cron_job.status.active] == bench.names()
    if policy == "Forbid":
        bench.end()
        bench.at(7300)  # the time that had to wait is met now
        assert len(bench.jobs) == 2


def test_a_replaced_job_is_deleted_before_the_next_is_created_and_is_not_missed() -> None:
    bench = Bench(cron_job(concurrencyPolicy="Replace"))
    bench.at(3600)
    bench.at(7200)
    assert bench.events == ["SuccessfulCreate", "SuccessfulDelete", "SuccessfulCreate"]


def test_a_suspended_cron_job_and_one_of_an_unknown_zone_create_nothing() -> None:
    bench = Bench(cron_job(suspend=True))
    bench.at(3600)
    assert (bench.jobs, bench.events) == ([], [])
    bench = Bench(cron_job(timeZone="No/Where"))
    bench.at(3600)
    assert (bench.jobs, bench.events) == ([], ["UnknownTimeZone"])


def test_the_history_keeps_the_newest_jobs_of_each_kind() -> None:
    bench = Bench(cron_job(successfulJobsHistoryLimit=2, failedJobsHistoryLimit=0))
    for hour in range(1, 5):
        bench.at(3600 * hour)
        bench.end("Failed" if hour == 4 else "Complete")
        bench.at(3600 * hour + 1)
    assert bench.names() == [f"tick-{int(MIDNIGHT + 3600 * hour) // 60}" for hour in (2, 3)]


def test_a_lost_answer_creates_no_second_job() -> None:
    bench = Bench(cron_job())
    bench.now = Instant(MIDNIGHT + 3600)
    plan = bench.step()
    assert len(plan.create) == 1
    again = reconcile(cron_job(), bench.jobs, taken=lambda _: True, now=bench.now)
    assert (again.create, len(again.status)) == ((), 1)
    assert not reconcile(cron_job(), [], taken=lambda _: True, now=bench.now)  # the Job of another owner


def test_a_cron_job_runs_each_minute_and_keeps_three_jobs() -> None:
    async def story(world: World) -> None:
        world.exit_codes["good"] = 0
        pod = {"restartPolicy": "Never", "containers": [{"name": "web", "image": "good"}]}
        spec = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}
        made = msgspec.convert({"metadata": {"name": "tick", "namespace": "default"}, "spec": spec}, CronJob)
        await world.client.create(CRON_JOB, made)
        await asyncio.sleep(330)
        jobs = (await world.client.list(JOB)).items
        assert [job.status.succeeded for job in jobs] == [1, 1, 1]
        status = (await world.client.get(CRON_JOB, "tick", "default")).status
        assert (status.active, status.lastSuccessfulTime is not None) == ([], True)
        assert len(await world.pods()) == 3
        reasons = {e.reason for e in (await world.client.list(EVENT)).items if e.involvedObject.kind == "CronJob"}
        assert reasons == {"SuccessfulCreate", "SawCompletedJob", "SuccessfulDelete"}
        await world.client.delete(CRON_JOB, "tick", "default", propagation="Background")
        await asyncio.sleep(10)
        assert (await world.pods(), (await world.client.list(JOB)).items) == ([], [])

    in_served_world(story)
