"""Points in time and their texts (RFC 3339, and the ages that kubectl prints)."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import NewType

Instant = NewType("Instant", float)
"""Seconds since the Unix epoch."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def render_time(at: Instant) -> str:
    """`metav1.Time`: RFC 3339 in UTC with whole seconds."""
    return f"{_second(int(at))}Z"


def render_micro_time(at: Instant) -> str:
    """`metav1.MicroTime`: RFC 3339 in UTC with six decimals."""
    second, micros = divmod(round(at * 1_000_000), 1_000_000)
    return f"{_second(second)}.{micros:06d}Z"


@functools.lru_cache(maxsize=16)
def _second(at: int) -> str:
    """Cached, because most of the rendered times are within this second."""
    # Not by strftime, which leaves out the zeros of years before 1000.
    return (_EPOCH + timedelta(seconds=at)).isoformat().removesuffix("+00:00")


def parse_time(text: str) -> Instant:
    """Reads an RFC 3339 time. Raises ValueError if the text is invalid."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as e:
        raise ValueError(f'invalid time "{text}": expected RFC 3339, such as 2006-01-02T15:04:05Z') from e
    if parsed.tzinfo is None:
        raise ValueError(f'invalid time "{text}": it has no zone')
    return Instant(parsed.timestamp())


def render_age(seconds: float) -> str:
    """A duration as kubectl prints ages: `5s`, `3m20s`, `4h`, `12d`, `2y35d`."""
    s = int(seconds)
    if s < -1:
        return "<invalid>"
    if s < 0:
        return "0s"
    if s < 120:
        return f"{s}s"
    return _render_minutes(s) if s < 8 * 3600 else _render_hours(s)


def _render_minutes(s: int) -> str:
    minutes = s // 60
    if minutes < 10:
        return _pair(minutes, "m", s % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    return _pair(minutes // 60, "h", minutes % 60, "m")


def _render_hours(s: int) -> str:
    hours = s // 3600
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return _pair(hours // 24, "d", hours % 24, "h")
    days = hours // 24
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _pair(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _pair(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"
