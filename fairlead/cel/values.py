"""Values of CEL as Python values: equality, order, conversions of times.

`null`, `bool`, `int`, `double`, `string`, `bytes`, `list` and `map` are the Python values that JSON decodes to. Python
says that `True == 1`, CEL does not, so values are compared by `equal` only. Types without a Python equivalent are
classes here; they have `cel_type`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from fairlead.cel import types
from fairlead.cel.errors import EvaluationError, no_overload
from fairlead.cel.types import Type

_SECOND = 1_000_000_000
_INT_MAX, _INT_MIN, _UINT_MAX = (1 << 63) - 1, -(1 << 63), (1 << 64) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_MIN, _TIME_MAX = -62135596800 * _SECOND, 253402300799 * _SECOND + 999_999_999
_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS = {"ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": _SECOND, "m": 60 * _SECOND,
          "h": 3600 * _SECOND}  # fmt: skip


class Uint(int):
    """An unsigned integer of 64 bits."""

    __slots__ = ()


class Timestamp:
    """A point in time, in nanoseconds since 1970. `offset` is that of the zone in which it was written, in seconds."""

    __slots__ = ("ns", "offset")
    cel_type: ClassVar[Type] = types.TIMESTAMP

    def __init__(self, ns: int, offset: int = 0) -> None:
        if not _TIME_MIN <= ns <= _TIME_MAX:
            raise EvaluationError("timestamp overflow")
        self.ns = ns
        self.offset = offset

    def at(self, zone: str = "") -> datetime:
        """Returns the local time in a zone: a name (`Europe/Berlin`) or an offset (`-08:00`)."""
        moment = _EPOCH + timedelta(microseconds=self.ns // 1000)
        return moment.astimezone(_zone(zone)) if zone else moment

    def __str__(self) -> str:
        text = (self.at() + timedelta(seconds=self.offset)).strftime("%Y-%m-%dT%H:%M:%S")
        text = text.rjust(19, "0")  # strftime does not pad years before 1000
        fraction = f".{self.ns % _SECOND:09d}".rstrip("0").rstrip(".")
        if not self.offset:
            return f"{text}{fraction}Z"
        hours, minutes = divmod(abs(self.offset) // 60, 60)
        return f"{text}{fraction}{'-' if self.offset < 0 else '+'}{hours:02d}:{minutes:02d}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(self.ns)


class Duration:
    """A length of time in nanoseconds."""

    __slots__ = ("ns",)
    cel_type: ClassVar[Type] = types.DURATION

    def __init__(self, ns: int) -> None:
        if not _INT_MIN <= ns <= _INT_MAX:
            raise EvaluationError("duration overflow")
        self.ns = ns

    def __str__(self) -> str:
        whole, fraction = divmod(abs(self.ns), _SECOND)
        text = f"{whole}.{fraction:09d}".rstrip("0").rstrip(".")
        return f"{'-' if self.ns < 0 else ''}{text}s"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(self.ns)


class Optional:
    """An optional value."""

    __slots__ = ("has", "inner")
    cel_type: ClassVar[Type] = types.optional_of(types.DYN)

    def __init__(self, inner: Any = None, *, has: bool = True) -> None:
        self.inner = inner
        self.has = has

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Optional) or self.has != other.has:
            return False
        return not self.has or equal(self.inner, other.inner)

    __hash__ = None  # type: ignore[assignment]


NONE = Optional(has=False)


class Struct(dict[str, Any]):
    """A value that an expression made by a struct type's name (`Object{...}`)."""

    cel_type: Type

    def __init__(self, cel_type: Type, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.cel_type = cel_type


class SetList(list[Any]):
    """A list with `x-kubernetes-list-type: set`: equal to a list with the same items in any order; `+` adds the items
    that are missing."""

    def __add__(self, other: Any) -> SetList:
        return SetList([*self, *(one for one in other if not contains(self, one))])


class MapList(list[Any]):
    """A list with `x-kubernetes-list-type: map`: equal to a list with equal items under the same keys; `+` replaces
    items by key and appends the others."""

    keys: tuple[str, ...]

    def __init__(self, items: Sequence[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def __add__(self, other: Any) -> MapList:
        place = {self.key(one): at for at, one in enumerate(self)}
        merged = list(self)
        for one in other:
            at = place.setdefault(self.key(one), len(merged))
            if at < len(merged):
                merged[at] = one
            else:
                merged.append(one)
        return MapList(merged, self.keys)

    def key(self, item: Any) -> tuple[Any, ...]:
        return tuple(repr(item.get(key)) for key in self.keys) if isinstance(item, Mapping) else (repr(item),)


def type_of(value: Any) -> Type:
    """Returns the type of a value as `type(value)` gives it."""
    own: Type | None = getattr(value, "cel_type", None)
    if own is not None:
        return own
    match value:
        case None:
            return types.NULL
        case bool():
            return types.BOOL
        case Uint():
            return types.UINT
        case int():
            return types.INT
        case float():
            return types.DOUBLE
        case str():
            return types.STRING
        case bytes():
            return types.BYTES
        case list() | tuple():
            return types.list_of(types.DYN)
        case dict() | Mapping():
            return types.map_of(types.DYN, types.DYN)
        case Type():
            return types.TYPE
        case _:
            pass
    raise EvaluationError(f"unsupported type conversion: {type(value).__name__}")


def equal(one: Any, other: Any) -> bool:
    """Returns whether two values are equal. Numbers of different types are compared by value; values of other different
    types differ."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and one == other
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and _equal_lists(one, other)
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and _equal_maps(one, other)
    if isinstance(one, Type):
        return isinstance(other, Type) and one.name == other.name
    return bool(one == other)


def _equal_lists(one: Sequence[Any], other: Sequence[Any]) -> bool:
    if len(one) != len(other):
        return False
    typed = one if isinstance(one, SetList | MapList) else other
    if isinstance(typed, MapList):
        by_key = {typed.key(item): item for item in other}
        return all(typed.key(item) in by_key and equal(item, by_key[typed.key(item)]) for item in one)
    if isinstance(typed, SetList):
        return all(contains(other, item) for item in one) and all(contains(one, item) for item in other)
    return all(map(equal, one, other))


def _equal_maps(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    return len(one) == len(other) and all(key in other and equal(value, other[key]) for key, value in one.items())


def contains(items: Sequence[Any], wanted: Any) -> bool:
    return any(equal(item, wanted) for item in items)


def compare(one: Any, other: Any) -> int:
    """Returns -1, 0 or 1. Raises EvaluationError for types without an order."""
    if isinstance(one, Timestamp | Duration) and type(one) is type(other):
        one, other = one.ns, other.ns
    elif is_number(one) and is_number(other):
        if one != one or other != other:
            raise EvaluationError("NaN values cannot be ordered")
    elif type(one) is not type(other) or not isinstance(one, bool | str | bytes):
        raise no_overload()
    return -1 if one < other else int(one > other)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool | Uint)


def size_of(value: Any) -> int:
    """Returns the size for cost: of strings, bytes, lists and maps; 1 for any other value."""
    if isinstance(value, str | bytes | list | tuple | Mapping):
        return len(value)
    if isinstance(value, Optional) and value.has:
        return size_of(value.inner)
    own = getattr(value, "cel_size", None)
    return own() if own is not None else 1


def fit_int(value: int) -> int:
    if not _INT_MIN <= value <= _INT_MAX:
        raise EvaluationError("integer overflow")
    return int(value)


def fit_uint(value: int) -> Uint:
    if not 0 <= value <= _UINT_MAX:
        raise EvaluationError("unsigned integer overflow")
    return Uint(value)


def parse_timestamp(text: str) -> Timestamp:
    """Reads RFC 3339. Raises ValueError."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"')
    year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
    zone = match[8]
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    offset = 0
    if zone not in "Zz":
        offset = (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60) * (-1 if zone[0] == "-" else 1)
    seconds = int((moment - _EPOCH).total_seconds()) - offset
    return Timestamp(seconds * _SECOND + int((match[7] or "0").ljust(9, "0")[:9]), offset)


def parse_duration(text: str) -> Duration:
    """Reads Go's form (`1h30m`, `-1.5s`). Raises ValueError."""
    sign, body = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if body == "0":
        return Duration(0)
    total, end = 0, 0
    for match in _DURATION_PART.finditer(body):
        if match.start() != end:
            break
        whole, _, fraction = match[1].partition(".")
        unit = _UNITS[match[2]]
        total += int(whole or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        end = match.end()
    if not body or end != len(body):
        raise ValueError(f'time: invalid duration "{text}"')
    return Duration(sign * total)


def format_double(value: float) -> str:
    """Returns a number as Go's verb `%v` shows it: the shortest digits, and an exponent from 1e+06 on."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, power = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    exponent = len(digits) - 1 + int(power) if value else 0
    minus = "-" if sign else ""
    if not -4 <= exponent < 6:
        head = text[0] + ("." + text[1:] if len(text) > 1 else "")
        return f"{minus}{head}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{minus}0.{'0' * (-exponent - 1)}{text}"
    whole, fraction = text[: exponent + 1].ljust(exponent + 1, "0"), text[exponent + 1 :]
    return f"{minus}{whole}.{fraction}" if fraction else minus + whole


def _zone(name: str) -> Any:
    from datetime import timezone  # both are needed by few expressions
    from zoneinfo import ZoneInfo

    match = re.fullmatch(r"([+-]?)(\d\d):(\d\d)", name, re.ASCII)
    if match:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {name}") from None
