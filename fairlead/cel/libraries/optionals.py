"""Optional values (`optional.of`, `?.`, `[?]`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.cel.errors import EvaluationError, no_overload
from fairlead.cel.functions import Overload, function, member
from fairlead.cel.values import NONE, Duration, Optional, Timestamp, parse_timestamp

_FIRST = parse_timestamp("0001-01-01T00:00:00Z")
"""The zero time of Go."""


def _of_non_zero(value: Any) -> Optional:
    return NONE if _is_zero(value) else Optional(value)


def _is_zero(value: Any) -> bool:
    match value:
        case None:
            return True
        case Duration():
            return value.ns == 0
        case Timestamp():
            return value == _FIRST
        case bool() | int() | float() | str() | bytes() | list() | dict():
            return not value
        case _:
            return False


def _value(optional: Optional) -> Any:
    if not optional.has:
        raise EvaluationError("optional.none() dereference")
    return optional.inner


def _has_value(optional: Optional) -> bool:
    return optional.has


def _unwrap(items: Sequence[Any]) -> list[Any]:
    return [one.inner for one in items if one.has]


def _absent(*_: Any) -> Any:
    """Stands for operators that the evaluator computes itself."""
    raise no_overload()


LIBRARY: list[Overload] = [
    function("optional.of", "optional_of", "V -> optional<V>", Optional),
    function("optional.ofNonZeroValue", "optional_ofNonZeroValue", "V -> optional<V>", _of_non_zero),
    function("optional.none", "optional_none", " -> optional<V>", lambda: NONE),
    member("value", "optional_value", "optional<V> -> V", _value),
    member("hasValue", "optional_hasValue", "optional<V> -> bool", _has_value),
    member("or", "optional_or_optional", "optional<V>, optional<V> -> optional<V>", _absent),
    member("orValue", "optional_orValue_value", "optional<V>, V -> V", _absent),
    function("_[?_]", "list_optindex_optional_int", "list<V>, int -> optional<V>", _absent),
    function("_[?_]", "optional_list_optindex_optional_int", "optional<list<V>>, int -> optional<V>", _absent),
    function("_[?_]", "map_optindex_optional_value", "map<K, V>, K -> optional<V>", _absent),
    function("_[?_]", "optional_map_optindex_optional_value", "optional<map<K, V>>, K -> optional<V>", _absent),
    function("_[_]", "optional_list_index_int", "optional<list<V>>, int -> optional<V>", _absent),
    function("_[_]", "optional_map_index_value", "optional<map<K, V>>, K -> optional<V>", _absent),
    member("first", "list_first", "list<V> -> optional<V>", lambda items: Optional(items[0]) if items else NONE),
    member("last", "list_last", "list<V> -> optional<V>", lambda items: Optional(items[-1]) if items else NONE),
    function("optional.unwrap", "optional_unwrap", "list<optional<V>> -> list<V>", _unwrap),
    member("unwrapOpt", "optional_unwrapOpt", "list<optional<V>> -> list<V>", _unwrap),
]
