"""The time of the schedule that a CronJob has not met yet."""

from __future__ import annotations

from datetime import tzinfo

from fairlead.api.batch.cronjob.kind import CronJob
from fairlead.api.batch.cronjob.schedule import Interval, Schedule
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, parse_time
from fairlead.controllers.workloads.cronjob.times import next_time

_MANY = 100
"""Missed times from which a warning is due, as upstream."""


class InvalidScheduleError(Exception):
    """A schedule without times."""


@dataclass(frozen=True, slots=True)
class Due:
    """The last time of the schedule that has passed and is not met."""

    at: Instant | None
    many_missed: bool = False


def due_of(cron_job: CronJob, schedule: Schedule | Interval, zone: tzinfo, now: Instant) -> Due:
    """Returns the last unmet time. Raises InvalidScheduleError."""
    earliest = _earliest(cron_job, now)
    first = next_time(schedule, earliest, zone)
    second = None if first is None else next_time(schedule, first, zone)
    if first is None or second is None:
        raise InvalidScheduleError("time difference between two schedules is less than 1 second")
    if now < first:
        return Due(None)
    if now < second:
        return Due(first)
    # An estimate from the distance of two times, so that a CronJob that slept for years costs little.
    step = second - first
    missed = int((now - first) // step) + 1
    at, last = next_time(schedule, Instant(first + (missed - 2) * step), zone), None
    while at is not None and at <= now:
        last, at = at, next_time(schedule, at, zone)
    return Due(last, missed > _MANY)


def wait_for_next(schedule: Schedule | Interval, zone: tzinfo, now: Instant, since: Instant) -> float | None:
    """Returns the seconds until the next time. `since`: the time from which intervals are counted."""
    start = since if isinstance(schedule, Interval) else now
    at = next_time(schedule, start, zone)
    if at is not None and at <= now:
        at = next_time(schedule, now, zone)
    return None if at is None else at - now


def _earliest(cron_job: CronJob, now: Instant) -> Instant:
    text = cron_job.status.lastScheduleTime or cron_job.metadata.creationTimestamp
    start = parse_time(text) if text else now
    deadline = cron_job.spec.startingDeadlineSeconds
    return start if deadline is None else max(start, Instant(now - deadline))
