"""Operators, conversions and functions of the CEL specification."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.cel import values
from fairlead.cel.errors import EvaluationError, no_overload
from fairlead.cel.functions import Overload, function, member
from fairlead.cel.regexes import search
from fairlead.cel.values import Duration, Timestamp, Uint, fit_int, fit_uint

_NAMES = {"int": "int64", "uint": "uint64"}
_ORDERED = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
_NUMBERS = ("int", "uint", "double")


def _absent(*_: Any) -> Any:
    """Stands for operators that the evaluator computes itself."""
    raise no_overload()


def _arithmetic(name: str, verb: str, compute: Callable[[Any, Any], Any], kinds: tuple[str, ...]) -> list[Overload]:
    def of(kind: str) -> Callable[[Any, Any], Any]:
        if kind == "double":
            return compute
        fit: Callable[[int], Any] = fit_int if kind == "int" else fit_uint
        return lambda one, other: fit(compute(one, other))

    return [function(name, f"{verb}_{_NAMES.get(kind, kind)}", f"{kind}, {kind} -> {kind}", of(kind)) for kind in kinds]


def _divide(one: Any, other: Any) -> Any:
    if isinstance(one, float):
        if other == 0:
            return (
                float("nan") if one == 0 or one != one else float("inf") * (1 if (one > 0) == _positive(other) else -1)
            )
        return one / other
    if other == 0:
        raise EvaluationError("division by zero")
    quotient = abs(one) // abs(other)
    return quotient if (one < 0) == (other < 0) else -quotient


def _positive(zero: float) -> bool:
    return not str(zero).startswith("-")


def _modulo(one: Any, other: Any) -> Any:
    if other == 0:
        raise EvaluationError("modulus by zero")
    rest = abs(one) % abs(other)
    return -rest if one < 0 else rest


def _order(name: str, verb: str, test: Callable[[int], bool]) -> list[Overload]:
    def compare(one: Any, other: Any) -> bool:
        return test(values.compare(one, other))

    same = [function(name, f"{verb}_{_NAMES.get(kind, kind)}", f"{kind}, {kind} -> bool", compare) for kind in _ORDERED]
    mixed = [
        function(name, f"{verb}_{_NAMES.get(one, one)}_{_NAMES.get(other, other)}", f"{one}, {other} -> bool", compare)
        for one in _NUMBERS
        for other in _NUMBERS
        if one != other
    ]
    return same + mixed


def _in_list(wanted: Any, items: Any) -> bool:
    return values.contains(items, wanted)


def _in_map(wanted: Any, entries: Mapping[Any, Any]) -> bool:
    return any(values.equal(key, wanted) for key in entries) if isinstance(wanted, float | bool) else wanted in entries


# Conversions


def _to_int(value: Any) -> int:
    if isinstance(value, Timestamp):
        return value.ns // 1_000_000_000
    if isinstance(value, Duration):
        return value.ns
    if isinstance(value, float) and not -9223372036854775808.0 < value < 9223372036854775808.0:
        raise EvaluationError("integer overflow")
    return fit_int(_parsed(value, int, "int"))


def _to_uint(value: Any) -> Uint:
    if isinstance(value, float) and not 0 <= value < 18446744073709551616.0:
        raise EvaluationError("unsigned integer overflow")
    return fit_uint(_parsed(value, int, "uint"))


def _to_double(value: Any) -> float:
    return float(_parsed(value, float, "double"))


def _parsed(value: Any, parse: Callable[[str], Any], kind: str) -> Any:
    if not isinstance(value, str):
        return parse(value)
    try:
        if "_" in value or value != value.strip():
            raise ValueError
        return parse(value)
    except ValueError:
        text = f"type conversion error from 'string' to '{kind}'"
        raise EvaluationError(text) from None


def _to_string(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return values.format_double(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
        case _:
            return str(value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if value in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise EvaluationError("type conversion error from 'string' to 'bool'")


def to_timestamp(value: Any) -> Timestamp:
    if isinstance(value, str):
        try:
            return values.parse_timestamp(value)
        except ValueError as e:
            raise EvaluationError(str(e)) from None
    return Timestamp(value * 1_000_000_000) if isinstance(value, int) else value


def to_duration(value: Any) -> Duration:
    if isinstance(value, str):
        try:
            return values.parse_duration(value)
        except ValueError as e:
            raise EvaluationError(str(e)) from None
    return Duration(value) if isinstance(value, int) else value


def _identity(value: Any) -> Any:
    return value


def _conversions() -> list[Overload]:
    table: list[tuple[str, str, str, Callable[[Any], Any]]] = [
        ("int", "int uint double string timestamp duration", "int", _to_int),
        ("uint", "int uint double string", "uint", _to_uint),
        ("double", "int uint double string", "double", _to_double),
        ("string", "string bool int uint double bytes timestamp duration", "string", _to_string),
        ("bool", "bool string", "bool", _to_bool),
        ("timestamp", "timestamp string int", "timestamp", to_timestamp),
        ("duration", "duration string int", "duration", to_duration),
    ]
    found = [
        function(name, f"{_NAMES.get(kind, kind)}_to_{_NAMES.get(name, name)}", f"{kind} -> {result}", call)
        for name, kinds, result, call in table
        for kind in kinds.split()
    ]
    return [
        *found,
        function("bytes", "bytes_to_bytes", "bytes -> bytes", _identity),
        function("bytes", "string_to_bytes", "string -> bytes", str.encode),
        function("dyn", "to_dyn", "T -> dyn", _identity),
        function("type", "type", "T -> type", values.type_of),
    ]


# Parts of times


def _parts() -> list[Overload]:
    of_time: dict[str, Callable[[Any], int]] = {
        "getFullYear": lambda t: t.year,
        "getMonth": lambda t: t.month - 1,
        "getDayOfYear": lambda t: t.timetuple().tm_yday - 1,
        "getDayOfMonth": lambda t: t.day - 1,
        "getDate": lambda t: t.day,
        "getDayOfWeek": lambda t: (t.weekday() + 1) % 7,
        "getHours": lambda t: t.hour,
        "getMinutes": lambda t: t.minute,
        "getSeconds": lambda t: t.second,
        "getMilliseconds": lambda t: t.microsecond // 1000,
    }
    of_length = {"getHours": 3600 * 10**9, "getMinutes": 60 * 10**9, "getSeconds": 10**9, "getMilliseconds": 10**6}
    found = []
    for name, part in of_time.items():
        at = _local(part)
        found.append(member(name, f"timestamp_{name}", "timestamp -> int", at))
        found.append(member(name, f"timestamp_{name}_with_tz", "timestamp, string -> int", at))
    for name, unit in of_length.items():
        found.append(member(name, f"duration_{name}", "duration -> int", _in_units(unit)))
    return found


def _local(part: Callable[[Any], int]) -> Callable[..., int]:
    return lambda moment, zone="": part(moment.at(zone))


def _in_units(unit: int) -> Callable[[Duration], int]:
    def convert(length: Duration) -> int:
        whole = abs(length.ns) // unit
        return -whole if length.ns < 0 else whole

    return convert


# Sizes and texts


def _add_times(one: Any, other: Any) -> Any:
    make = Timestamp if isinstance(one, Timestamp) or isinstance(other, Timestamp) else Duration
    return make(one.ns + other.ns)


def _subtract_times(one: Any, other: Any) -> Any:
    make = Timestamp if isinstance(one, Timestamp) and isinstance(other, Duration) else Duration
    return make(one.ns - other.ns)


def _join_lists(one: Any, other: Any) -> Any:
    if isinstance(one, values.SetList | values.MapList):
        return one + other
    return [*one, *other]


def _map_insert(entries: Mapping[Any, Any], *more: Any) -> dict[Any, Any]:
    added = {more[0]: more[1]} if len(more) == 2 else more[0]
    for key in added:
        if key in entries:
            raise EvaluationError(f"insert failed: key {key} already exists")
    return {**entries, **added}


def _sizes() -> list[Overload]:
    kinds = {"string": "string", "bytes": "bytes", "list": "list<T>", "map": "map<K, V>"}
    return [
        *(function("size", f"size_{name}", f"{kind} -> int", len) for name, kind in kinds.items()),
        *(member("size", f"{name}_size", f"{kind} -> int", len) for name, kind in kinds.items()),
    ]


def _matches(text: str, pattern: str) -> bool:
    return search(pattern, text)


LIBRARY: list[Overload] = [
    function("_?_:_", "conditional", "bool, T, T -> T", _absent),
    function("_&&_", "logical_and", "bool, bool -> bool", _absent),
    function("_||_", "logical_or", "bool, bool -> bool", _absent),
    function("!_", "logical_not", "bool -> bool", operator.not_),
    function("@not_strictly_false", "not_strictly_false", "bool -> bool", _identity),
    function("_==_", "equals", "T, T -> bool", _absent),
    function("_!=_", "not_equals", "T, T -> bool", _absent),
    *_arithmetic("_+_", "add", operator.add, ("int", "uint", "double")),
    function("_+_", "add_string", "string, string -> string", operator.add),
    function("_+_", "add_bytes", "bytes, bytes -> bytes", operator.add),
    function("_+_", "add_list", "list<T>, list<T> -> list<T>", _join_lists),
    function("_+_", "add_duration_duration", "duration, duration -> duration", _add_times),
    function("_+_", "add_duration_timestamp", "duration, timestamp -> timestamp", _add_times),
    function("_+_", "add_timestamp_duration", "timestamp, duration -> timestamp", _add_times),
    *_arithmetic("_-_", "subtract", operator.sub, ("int", "uint", "double")),
    function("_-_", "subtract_duration_duration", "duration, duration -> duration", _subtract_times),
    function("_-_", "subtract_timestamp_timestamp", "timestamp, timestamp -> duration", _subtract_times),
    function("_-_", "subtract_timestamp_duration", "timestamp, duration -> timestamp", _subtract_times),
    *_arithmetic("_*_", "multiply", operator.mul, ("int", "uint", "double")),
    *_arithmetic("_/_", "divide", _divide, ("int", "uint", "double")),
    *_arithmetic("_%_", "modulo", _modulo, ("int", "uint")),
    function("-_", "negate_int64", "int -> int", lambda value: fit_int(-value)),
    function("-_", "negate_double", "double -> double", operator.neg),
    *_order("_<_", "less", lambda order: order < 0),
    *_order("_<=_", "less_equals", lambda order: order <= 0),
    *_order("_>_", "greater", lambda order: order > 0),
    *_order("_>=_", "greater_equals", lambda order: order >= 0),
    function("_[_]", "index_list", "list<T>, int -> T", _absent),
    function("_[_]", "index_map", "map<K, V>, K -> V", _absent),
    function("@in", "in_list", "T, list<T> -> bool", _in_list),
    function("@in", "in_map", "K, map<K, V> -> bool", _in_map),
    *_sizes(),
    *_conversions(),
    *_parts(),
    member("contains", "contains_string", "string, string -> bool", operator.contains),
    member("startsWith", "starts_with_string", "string, string -> bool", str.startswith),
    member("endsWith", "ends_with_string", "string, string -> bool", str.endswith),
    function("matches", "matches", "string, string -> bool", _matches),
    member("matches", "matches_string", "string, string -> bool", _matches),
    function("cel.@mapInsert", "@mapInsert_map_key_value", "map<K, V>, K, V -> map<K, V>", _map_insert),
    function("cel.@mapInsert", "@mapInsert_map_map", "map<K, V>, map<K, V> -> map<K, V>", _map_insert),
]
