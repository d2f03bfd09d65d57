"""The times of a schedule.

A clock time that the change to summer time skips does not occur, and one that occurs twice counts twice, as with
upstream's parser.
"""

from __future__ import annotations

import math
import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo

from fairlead.api.batch.cronjob.schedule import Interval, Schedule
from fairlead.base.instant import Instant

_YEARS = 5
"""The search ends after so many years, as upstream: 30 February never comes."""


def zone_of(name: str | None) -> tzinfo | None:
    """Returns the time zone; UTC without a name, None for an unknown name."""
    if name is None:
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def next_time(schedule: Schedule | Interval, after: Instant, zone: tzinfo) -> Instant | None:
    """Returns the first time of the schedule after a time; None if the search finds nothing."""
    if isinstance(schedule, Interval):
        return Instant(math.floor(after) + max(1, math.floor(schedule.seconds)))
    at = (math.floor(after) // 60 + 1) * 60
    last = datetime.fromtimestamp(at, zone).year + _YEARS
    while True:
        local = datetime.fromtimestamp(at, zone)
        if local.year > last:
            return None
        following = _following(schedule, local)
        if following is None:
            return Instant(at)
        at = max(at + 60, following)


def _following(schedule: Schedule, local: datetime) -> int | None:
    """Returns the next time to examine; None if the schedule has this one."""
    if local.month not in schedule.month.values:
        year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
        return int(local.replace(year=year, month=month, day=1, hour=0, minute=0, fold=0).timestamp())
    if not _is_day(schedule, local):
        midnight = local.replace(hour=0, minute=0, fold=0) + timedelta(days=1)
        return int(midnight.timestamp())
    at = int(local.timestamp())
    if local.hour not in schedule.hour.values:
        return at + 60 * (60 - local.minute)
    return None if local.minute in schedule.minute.values else at + 60


def _is_day(schedule: Schedule, local: datetime) -> bool:
    day = local.day in schedule.day.values
    weekday = local.isoweekday() % 7 in schedule.weekday.values
    return (day and weekday) if schedule.day.any or schedule.weekday.any else (day or weekday)
