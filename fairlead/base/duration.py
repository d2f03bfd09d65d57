"""Durations as Go writes them (`time.Duration.String`): `1h2m3.5s`, `250ms`."""

from __future__ import annotations

import re

_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(h|ms|m|s|us|µs|ns)")
_UNIT_NS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 1000, "µs": 1000, "ns": 1}


def render_duration(nanoseconds: int) -> str:
    """Renders a duration in Go's form."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < 10**9:
        unit = next((unit for unit in ("ms", "µs") if rest >= _UNIT_NS[unit]), "ns")
        return f"{sign}{_decimal(rest, _UNIT_NS[unit])}{unit}" if rest else "0s"
    minutes, rest = divmod(rest, _UNIT_NS["m"])
    seconds = f"{_decimal(rest, _UNIT_NS['s'])}s"
    if not minutes:
        return sign + seconds
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{seconds}" if hours else f"{sign}{minutes}m{seconds}"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".")


def parse_duration(text: str) -> int:
    """Returns the nanoseconds of a duration in Go's form. Raises ValueError."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    parts = list(_PART.finditer(rest))
    if not parts or "".join(part[0] for part in parts) != rest:
        raise ValueError(f"invalid duration {text!r}")
    return sign * sum(round(float(part[1]) * _UNIT_NS[part[2]]) for part in parts)
