"""The CronJob kind: creates Jobs at the times of a schedule.

Source of the rules and their texts: upstream's validation of batch.
"""

import re
import zoneinfo
from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.batch.cronjob.schedule import ScheduleError, parse_schedule
from fairlead.api.batch.job.defaults import default_template_spec
from fairlead.api.batch.job.kind import job_warnings, name_warnings
from fairlead.api.batch.job.rules import template_spec_errors
from fairlead.api.batch.job.spec import JobSpec
from fairlead.api.core.pod.template import container_images, container_names
from fairlead.api.meta.columns import AGE, NAME, NONE, UNSET, or_none, render_selector, since
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.rules import not_negative
from fairlead.api.meta.types import Int32, Int64, Object, ObjectMeta, Record, Time
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Strategy
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required

_POLICIES = ("Allow", "Forbid", "Replace")
_NAME_LENGTH = 52
"""A Job's name has the CronJob's name and 11 more characters, and at most 63."""
_ZONE_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}", re.ASCII)


class JobTemplateSpec(Record):
    """Template of the Jobs that a CronJob creates."""

    metadata: Annotated[ObjectMeta, Doc("Labels and annotations of the Jobs that the CronJob creates.")] = (
        msgspec.field(default_factory=ObjectMeta)
    )
    spec: Annotated[JobSpec, Doc("Desired state of the Jobs that the CronJob creates.")] = msgspec.field(
        default_factory=JobSpec
    )


class CronJobSpec(Record):
    """Desired state of a CronJob: the schedule, the template of Jobs and the treatment of overlaps."""

    schedule: Annotated[
        str, Doc("Times at which Jobs are created, in the form of cron: minute, hour, day, month, weekday.")
    ] = msgspec.field(default_factory=str)
    concurrencyPolicy: Annotated[
        str,
        Doc("Treatment of a Job that is due while the last one runs: Allow (default), Forbid (skip) or Replace."),
    ] = ""
    failedJobsHistoryLimit: (
        Annotated[Int32, Doc("Number of failed Jobs that are kept; default 1, and 0 keeps none.")] | None
    ) = None
    jobTemplate: Annotated[JobTemplateSpec, Doc("Template of the Jobs that are created at the scheduled times.")] = (
        msgspec.field(default_factory=JobTemplateSpec)
    )
    startingDeadlineSeconds: (
        Annotated[Int64, Doc("Seconds after a scheduled time within which its Job may still start; any if absent.")]
        | None
    ) = None
    successfulJobsHistoryLimit: (
        Annotated[Int32, Doc("Number of completed Jobs that are kept; default 3, and 0 keeps none.")] | None
    ) = None
    suspend: (
        Annotated[bool, Doc("Set to true to create no further Jobs; running Jobs continue; default false.")] | None
    ) = None
    timeZone: Annotated[str, Doc("Name of the schedule's time zone, such as Europe/Paris; default: UTC.")] | None = None


class CronJobStatus(Record):
    """Most recently observed state of a CronJob: its running Jobs and the last times of the schedule."""

    active: Annotated[list[ObjectReference], Atomic(), Doc("References to the Jobs that run at present.")] = []
    lastScheduleTime: Annotated[Time, Doc("Time at which the last Job was scheduled.")] | None = None
    lastSuccessfulTime: Annotated[Time, Doc("Time at which a Job of the schedule last completed.")] | None = None


class CronJob(Object):
    """Creates Jobs at the times of a schedule."""

    spec: Annotated[CronJobSpec, Doc("Desired state of the CronJob: the schedule and the template of its Jobs.")] = (
        msgspec.field(default_factory=CronJobSpec)
    )
    status: Annotated[CronJobStatus, Doc("Most recently observed state of the CronJob; written by the system.")] = (
        msgspec.field(default_factory=CronJobStatus)
    )


def _default(cron_job: CronJob) -> CronJob:
    spec = cron_job.spec
    spec.concurrencyPolicy = spec.concurrencyPolicy or "Allow"
    if spec.suspend is None:
        spec.suspend = False
    if spec.successfulJobsHistoryLimit is None:
        spec.successfulJobsHistoryLimit = 3
    if spec.failedJobsHistoryLimit is None:
        spec.failedJobsHistoryLimit = 1
    default_template_spec(spec.jobTemplate.spec)
    return cron_job


def _prepare_create(cron_job: CronJob) -> CronJob:
    cron_job.status = CronJobStatus()
    return cron_job


def _rules(cron_job: CronJob) -> Iterator[FieldError]:
    spec, path = cron_job.spec, "spec"
    yield from _schedule_errors(spec.schedule, f"{path}.schedule")
    yield from not_negative(spec.startingDeadlineSeconds, f"{path}.startingDeadlineSeconds")
    if spec.timeZone is not None:
        yield from _zone_errors(spec.timeZone, f"{path}.timeZone")
    if spec.concurrencyPolicy not in _POLICIES:
        yield not_supported(f"{path}.concurrencyPolicy", spec.concurrencyPolicy, _POLICIES)
    yield from _template_errors(spec.jobTemplate.spec, f"{path}.jobTemplate.spec")
    yield from not_negative(spec.successfulJobsHistoryLimit, f"{path}.successfulJobsHistoryLimit")
    yield from not_negative(spec.failedJobsHistoryLimit, f"{path}.failedJobsHistoryLimit")


def _schedule_errors(schedule: str, path: str) -> Iterator[FieldError]:
    if not schedule:
        yield required(path)
        return
    try:
        parse_schedule(schedule)
    except ScheduleError as e:
        yield invalid(path, schedule, str(e))
    if "TZ" in schedule:
        yield invalid(path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")


def _zone_errors(zone: str, path: str) -> Iterator[FieldError]:
    if not zone:
        yield invalid(path, zone, "timeZone must be nil or non-empty string")
        return
    unknown = invalid(path, zone, f"unknown time zone {zone}")
    parts = zone.split("/")
    if any(part in (".", "..") or part.startswith("-") or not _ZONE_PART.fullmatch(part) for part in parts):
        yield unknown
        return
    if zone.lower() == "local":
        text = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid(path, zone, text)
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        if zone != "Local":
            yield unknown


def _template_errors(spec: JobSpec, path: str) -> Iterator[FieldError]:
    yield from template_spec_errors(spec, path)
    if spec.selector is not None:
        yield invalid(f"{path}.selector", to_tree(spec.selector), "`selector` will be auto-generated")
    if spec.manualSelector:
        yield not_supported(f"{path}.manualSelector", spec.manualSelector, ("nil", "false"))


def _create_rules(cron_job: CronJob) -> Iterator[FieldError]:
    name = cron_job.metadata.name
    if len(name) > _NAME_LENGTH:
        yield invalid("metadata.name", name, f"must be no more than {_NAME_LENGTH} characters")


def _warnings(cron_job: CronJob) -> Iterator[str]:
    yield from name_warnings(cron_job.metadata.name)
    yield from job_warnings(cron_job.spec.jobTemplate.spec, "spec.jobTemplate.spec")


def _last_schedule(cron_job: CronJob, now: Instant) -> str:
    return since(cron_job.status.lastScheduleTime, now) if cron_job.status.lastScheduleTime else NONE


def _suspend(cron_job: CronJob, _: Instant) -> str:
    """Returns the text of upstream's `printBoolPtr`."""
    return str(cron_job.spec.suspend) if cron_job.spec.suspend is not None else UNSET


STRATEGY: Strategy[CronJob] = Strategy(
    type=CronJob,
    columns=(
        NAME,
        Column("Schedule", lambda found, _: found.spec.schedule, doc="Times at which Jobs are created."),
        Column(
            "Timezone",
            lambda found, _: NONE if found.spec.timeZone is None else found.spec.timeZone,
            doc="Name of the schedule's time zone.",
        ),
        Column("Suspend", _suspend, type="boolean", doc="True if no further Jobs are created."),
        Column("Active", lambda found, _: len(found.status.active), type="integer", doc="Number of running Jobs."),
        Column("Last Schedule", _last_schedule, doc="Time since the last Job was scheduled."),
        AGE,
        Column(
            "Containers",
            lambda found, _: container_names(found.spec.jobTemplate.spec.template.spec.containers),
            wide=True,
            doc="Names of the containers in the pod template.",
        ),
        Column(
            "Images",
            lambda found, _: container_images(found.spec.jobTemplate.spec.template.spec.containers),
            wide=True,
            doc="Images of the containers in the pod template.",
        ),
        Column(
            "Selector",
            lambda found, _: or_none(render_selector(found.spec.jobTemplate.spec.selector)),
            wide=True,
            doc="Label selector of the Jobs' pods.",
        ),
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
    create_rules=_create_rules,
    warnings=_warnings,
)
