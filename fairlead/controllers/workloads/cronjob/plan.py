"""Decides the next step of a CronJob: its finished Jobs, the Job that is due, and the deletion of old Jobs.

The name of a Job follows from its time, so that a repeated step cannot create the Job twice. Starting a Job takes two
reconciles: one creates the Job, the next sees it and enters it into the status. `Replace` takes one more: first the
running Jobs are deleted and leave the status, so that they are not missed later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo

import msgspec

from fairlead.api.batch.cronjob import CRON_JOB
from fairlead.api.batch.cronjob.kind import CronJob, CronJobStatus
from fairlead.api.batch.cronjob.schedule import ScheduleError, parse_schedule
from fairlead.api.batch.job import JOB
from fairlead.api.batch.job.types import Job
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.instant import Instant, parse_time, render_time
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.cronjob.due import Due, InvalidScheduleError, due_of, wait_for_next
from fairlead.controllers.workloads.cronjob.times import zone_of
from fairlead.controllers.workloads.job.conditions import COMPLETE, FAILED, finished_condition
from fairlead.runtime.plan import Create, Delete, EventRecord, Plan, Update

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def reconcile(cron_job: CronJob, jobs: Sequence[Job], *, taken: Callable[[str], bool], now: Instant) -> Plan:
    """Returns the plan. `jobs`: all that the CronJob owns. `taken`: whether a Job of a name exists, of any owner."""
    status, events = _observed(cron_job, jobs)
    step = _start(cron_job, jobs, status, taken, now)
    started = {create.obj.metadata.name for create in step.create}
    replaced = {delete.obj.metadata.uid for delete in step.delete}
    status.active = [ref for ref in status.active if ref.uid not in replaced]
    old = [] if cron_job.metadata.deletionTimestamp else _surplus(cron_job, jobs)
    writes_status = status != cron_job.status
    return Plan(
        create=step.create,
        delete=(*step.delete, *(_deletion(cron_job, job) for job in old if job.metadata.uid not in replaced)),
        status=(_status_update(cron_job, status, events),) if writes_status else (),
        events=(*(events[1:] if writes_status else events), *step.events),
        retry_after=None if started else step.retry_after,
    )


def _observed(cron_job: CronJob, jobs: Sequence[Job]) -> tuple[CronJobStatus, list[EventRecord]]:
    """Returns the status that the Jobs show."""
    events = []
    by_uid = {job.metadata.uid: job for job in jobs}
    active, known = [], {ref.uid for ref in cron_job.status.active}
    for ref in cron_job.status.active:
        job = by_uid.get(ref.uid)
        end = finished_condition(job) if job is not None else None
        if job is None:
            events.append(EventRecord(cron_job, "MissingJob", f"Active job went missing: {ref.name}"))
        elif end is not None:
            text = f"Saw completed job: {ref.name}, condition: {end.type}"
            events.append(EventRecord(cron_job, "SawCompletedJob", text))
        elif not job.metadata.deletionTimestamp:
            active.append(ref)
    last_schedule, last_success = cron_job.status.lastScheduleTime, cron_job.status.lastSuccessfulTime
    for job in sorted(jobs, key=_by_age):
        at = scheduled_at(cron_job, job)
        is_alive = finished_condition(job) is None and not job.metadata.deletionTimestamp
        if at is not None:  # created by this controller
            last_schedule = _later(last_schedule, render_time(at))
            if is_alive and job.metadata.uid not in known:
                active.append(_reference(job))
        elif is_alive and job.metadata.uid not in known:
            text = f"Saw a job that the controller did not create or forgot: {job.metadata.name}"
            events.append(EventRecord(cron_job, "UnexpectedJob", text, "Warning"))
        end = finished_condition(job)
        if end is not None and end.type == COMPLETE and job.status.completionTime:
            last_success = _later(last_success, job.status.completionTime)
    status = CronJobStatus(active=active, lastScheduleTime=last_schedule, lastSuccessfulTime=last_success)
    return status, events


def _start(
    cron_job: CronJob, jobs: Sequence[Job], status: CronJobStatus, taken: Callable[[str], bool], now: Instant
) -> Plan:
    """Returns the creation of the Job that is due, or the wait for it. The status is left to the caller."""
    spec = cron_job.spec
    if cron_job.metadata.deletionTimestamp:
        return Plan()
    zone = zone_of(spec.timeZone)
    if zone is None:
        text = f'invalid timeZone: "{spec.timeZone}": unknown time zone {spec.timeZone}'
        return _warning(cron_job, "UnknownTimeZone", text)
    if spec.suspend:
        return Plan()
    current = msgspec.structs.replace(cron_job, status=status)
    try:
        schedule = parse_schedule(spec.schedule)
        due = due_of(current, schedule, zone, now)
    except ScheduleError as error:
        return _warning(cron_job, "UnparseableSchedule", f'unparseable schedule: "{spec.schedule}" : {error}')
    except InvalidScheduleError as error:
        return _warning(cron_job, "InvalidSchedule", f"invalid schedule: {spec.schedule} : {error}")
    last = status.lastScheduleTime or cron_job.metadata.creationTimestamp
    since = parse_time(last) if last else now
    wait = wait_for_next(schedule, zone, now, due.at if due.at is not None else since)
    if due.at is None:
        return Plan(retry_after=wait)
    events = _lateness(cron_job, due, now)
    is_late = spec.startingDeadlineSeconds is not None and due.at + spec.startingDeadlineSeconds < now
    job = job_for(cron_job, due.at, zone)
    if is_late or taken(job.metadata.name):
        return Plan(events=events if is_late else (), retry_after=wait)
    if spec.concurrencyPolicy == "Forbid" and status.active:
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return Plan(events=(*events, EventRecord(cron_job, "JobAlreadyActive", text)), retry_after=wait)
    if spec.concurrencyPolicy == "Replace" and status.active:
        active = {ref.uid for ref in status.active}
        deleted = tuple(_deletion(cron_job, other) for other in jobs if other.metadata.uid in active)
        return Plan(delete=deleted, events=events)
    made = EventRecord(cron_job, "SuccessfulCreate", "Created job {name}")
    failed = EventRecord(cron_job, "FailedCreate", "Error creating job: {error}", "Warning")
    return Plan(create=(Create(JOB, job, made, failed),), events=events)


def _lateness(cron_job: CronJob, due: Due, now: Instant) -> tuple[EventRecord, ...]:
    """Returns the warnings about missed times."""
    events, deadline = [], cron_job.spec.startingDeadlineSeconds
    if due.many_missed:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        events.append(EventRecord(cron_job, "TooManyMissedTimes", text, "Warning"))
    if due.at is not None and deadline is not None and due.at + deadline < now:
        day = datetime.fromtimestamp(due.at, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        text = f"Missed scheduled time to start a job: {day}"
        events.append(EventRecord(cron_job, "MissSchedule", text, "Warning"))
    return tuple(events)


def job_for(cron_job: CronJob, at: Instant, zone: tzinfo) -> Job:
    """Returns the Job of one time of the schedule."""
    template = cron_job.spec.jobTemplate
    local = datetime.fromtimestamp(at, zone).isoformat(timespec="seconds")
    meta = ObjectMeta(
        name=job_name(cron_job, at),
        namespace=cron_job.metadata.namespace,
        labels=template.metadata.labels,
        annotations=template.metadata.annotations | {SCHEDULED_AT: local.replace("+00:00", "Z")},
        ownerReferences=[controller_reference(CRON_JOB.api_version, CRON_JOB.kind, cron_job.metadata)],
    )
    return Job(kind=JOB.kind, apiVersion=JOB.api_version, metadata=meta, spec=template.spec)


def job_name(cron_job: CronJob, at: Instant) -> str:
    """Returns the name with the minute since 1970, which is the same in each repetition."""
    return f"{cron_job.metadata.name}-{int(at) // 60}"


def scheduled_at(cron_job: CronJob, job: Job) -> Instant | None:
    """Returns the time for which this controller created the Job; None for a Job of another origin."""
    text = job.metadata.annotations.get(SCHEDULED_AT, "")
    try:
        at = Instant(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return None
    return at if job.metadata.name == job_name(cron_job, at) else None


def _surplus(cron_job: CronJob, jobs: Sequence[Job]) -> list[Job]:
    """Returns the finished Jobs above the limits of the history, the oldest first."""
    result = []
    spec = cron_job.spec
    for type, limit in ((COMPLETE, spec.successfulJobsHistoryLimit), (FAILED, spec.failedJobsHistoryLimit)):
        ended = [job for job in jobs if _ended_with(job) == type and not job.metadata.deletionTimestamp]
        ended.sort(key=_by_age)
        result += ended[: max(0, len(ended) - limit)] if limit is not None else []
    return result


def _ended_with(job: Job) -> str:
    end = finished_condition(job)
    return end.type if end is not None else ""


def _by_age(job: Job) -> tuple[float, str]:
    return (parse_time(job.status.startTime) if job.status.startTime else float("inf")), job.metadata.name


def _later(one: str | None, other: str) -> str:
    return other if one is None or parse_time(other) > parse_time(one) else one


def _reference(job: Job) -> ObjectReference:
    meta = job.metadata
    return ObjectReference(
        kind=JOB.kind,
        apiVersion=JOB.api_version,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resourceVersion=meta.resourceVersion,
    )


def _deletion(cron_job: CronJob, job: Job) -> Delete:
    gone = EventRecord(cron_job, "SuccessfulDelete", "Deleted job {name}")
    failed = EventRecord(cron_job, "FailedDelete", "Deleted job: {error}", "Warning")
    return Delete(JOB, job, "Background", done=gone, failed=failed)


def _status_update(cron_job: CronJob, status: CronJobStatus, events: Sequence[EventRecord]) -> Update:
    new = msgspec.structs.replace(cron_job, status=status)
    return Update(CRON_JOB, new, "status", done=events[0] if events else None)


def _warning(cron_job: CronJob, reason: str, message: str) -> Plan:
    return Plan(events=(EventRecord(cron_job, reason, message, "Warning"),))
