"""Schedules in the form of cron's table: five fields, or a name such as `@daily`.

Source: the parser that upstream uses (robfig/cron, `ParseStandard`), with its texts of errors. A day matches if both
the day of the month and the day of the week match; if neither field is `*`, one of them suffices (crontab(5)).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.quoting import go_quote

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class ScheduleError(ValueError):
    """A text that is not a schedule."""


@dataclass(frozen=True, slots=True)
class Bounds:
    low: int
    high: int
    names: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Field:
    """The values at which a field matches."""

    values: frozenset[int]
    any: bool
    """True for `*` and `?`, alone or in a list."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The times of a schedule by their fields."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field


@dataclass(frozen=True, slots=True)
class Interval:
    """A schedule of the form `@every 1h30m`."""

    seconds: float


_BOUNDS: Final = (
    Bounds(0, 59, {}),
    Bounds(0, 23, {}),
    Bounds(1, 31, {}),
    Bounds(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    Bounds(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
_NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY: Final = "@every "
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+")
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")


def parse_schedule(text: str) -> Schedule | Interval:
    """Reads a schedule. Raises ScheduleError."""
    if not text:
        raise ScheduleError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        return _after_zone(text)
    if text.startswith(_EVERY):
        return Interval(_seconds(text))
    if text.startswith("@"):
        if text not in _NAMED:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _NAMED[text]
    parts = text.split()
    if len(parts) != len(_BOUNDS):
        raise ScheduleError(f"expected exactly {len(_BOUNDS)} fields, found {len(parts)}: [{' '.join(parts)}]")
    return Schedule(*(_field(part, bounds) for part, bounds in zip(parts, _BOUNDS, strict=True)))


def _after_zone(text: str) -> Schedule | Interval:
    zone, space, rest = text.partition(" ")
    if not space:
        end = zone.index("=") + 1
        raise ScheduleError(f"invalid schedule format: runtime error: slice bounds out of range [{end}:-1]")
    return parse_schedule(rest.strip())


def _seconds(text: str) -> float:
    given = text.removeprefix(_EVERY)
    if given in ("0", "+0", "-0"):
        return 0.0
    if not _DURATION.fullmatch(given):
        raise ScheduleError(f"failed to parse duration {text}: time: invalid duration {go_quote(given)}")
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(given))
    return -total if given.startswith("-") else total


def _field(text: str, bounds: Bounds) -> Field:
    values: set[int] = set()
    everything = False
    for part in filter(None, text.split(",")):
        part_values, star = _range(part, bounds)
        values |= part_values
        everything = everything or star
    return Field(frozenset(values), everything)


def _range(text: str, bounds: Bounds) -> tuple[set[int], bool]:
    span, *steps = text.split("/")
    ends = span.split("-")
    star = ends[0] in ("*", "?")
    if star:
        low, high = bounds.low, bounds.high
    else:
        low = high = _value(ends[0], bounds)
        if len(ends) > 2:
            raise ScheduleError(f"too many hyphens: {text}")
        if len(ends) == 2:
            high = _value(ends[1], bounds)
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    step = _number(steps[0]) if steps else 1
    if steps and len(ends) == 1:
        high = bounds.high
    _check_range(low, high, step, bounds, text)
    return set(range(low, high + 1, step)), star and step == 1


def _check_range(low: int, high: int, step: int, bounds: Bounds, text: str) -> None:
    if low < bounds.low:
        raise ScheduleError(f"beginning of range ({low}) below minimum ({bounds.low}): {text}")
    if high > bounds.high:
        raise ScheduleError(f"end of range ({high}) above maximum ({bounds.high}): {text}")
    if low > high:
        raise ScheduleError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")


def _value(text: str, bounds: Bounds) -> int:
    named = bounds.names.get(text.lower())
    return named if named is not None else _number(text)


def _number(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        why = f"strconv.Atoi: parsing {go_quote(text)}: invalid syntax"
        raise ScheduleError(f"failed to parse int from {text}: {why}")
    if int(text) < 0:
        raise ScheduleError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
