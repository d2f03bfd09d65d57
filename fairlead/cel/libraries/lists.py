"""Functions of lists: order, sums, positions, parts; and lists as sets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import Any

from fairlead.cel.errors import EvaluationError
from fairlead.cel.functions import Overload, function, member
from fairlead.cel.values import Duration, compare, contains, equal, fit_int, fit_uint

_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_SUMMABLE: dict[str, Callable[[Any], Any]] = {
    "int": lambda items: fit_int(sum(items)),
    "uint": lambda items: fit_uint(sum(items)),
    "double": lambda items: float(sum(items)),
    "duration": lambda items: Duration(sum(one.ns for one in items)),
}
_MOST = 1_000_000
"""Greatest length of a list that `lists.range` makes; the cost limit refuses longer ones afterwards only."""


def _is_sorted(items: Sequence[Any]) -> bool:
    return all(compare(one, other) <= 0 for one, other in itertools.pairwise(items))


def _extreme(name: str, sign: int) -> Callable[[Sequence[Any]], Any]:
    def find(items: Sequence[Any]) -> Any:
        if not items:
            raise EvaluationError(f"{name} called on empty list")
        found = items[0]
        for item in items:
            if sign * compare(item, found) > 0:
                found = item
        return found

    return find


def _index_of(items: Sequence[Any], wanted: Any) -> int:
    return next((at for at, one in enumerate(items) if equal(one, wanted)), -1)


def _last_index_of(items: Sequence[Any], wanted: Any) -> int:
    return next((at for at in range(len(items) - 1, -1, -1) if equal(items[at], wanted)), -1)


def _slice(items: Sequence[Any], begin: int, end: int) -> list[Any]:
    what = f"cannot slice({begin}, {end})"
    if begin < 0 or end < 0:
        raise EvaluationError(f"{what}, negative indexes not supported")
    if begin > end:
        raise EvaluationError(f"{what}, start index must be less than or equal to end index")
    if len(items) < end:
        raise EvaluationError(f"{what}, list is length {len(items)}")
    return list(items[begin:end])


def _flatten(items: Sequence[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    found: list[Any] = []
    for one in items:
        found += _flatten(one, depth - 1) if isinstance(one, list | tuple) and depth else [one]
    return found


def _sort(items: Sequence[Any]) -> list[Any]:
    return _sort_by(items, items)


def _sort_by(items: Sequence[Any], keys: Sequence[Any]) -> list[Any]:
    if any(type(key) is not type(keys[0]) for key in keys):
        raise EvaluationError("list elements must have the same type")
    by_key = cmp_to_key(compare)
    return [items[at] for at in sorted(range(len(items)), key=lambda at: by_key(keys[at]))]


def _range(count: int) -> list[int]:
    if count > _MOST:
        raise EvaluationError(f"lists.range({count}): at most {_MOST} elements are supported")
    return list(range(count))


def _distinct(items: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for one in items:
        if not contains(found, one):
            found.append(one)
    return found


def _sets_contains(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return all(contains(one, item) for item in other)


def _typed() -> list[Overload]:
    found = []
    for kind in _COMPARABLE:
        listed = f"list<{kind}>"
        found += [
            member("isSorted", f"list_{kind}_is_sorted_bool", f"{listed} -> bool", _is_sorted),
            member("max", f"list_{kind}_max_{kind}", f"{listed} -> {kind}", _extreme("max", 1)),
            member("min", f"list_{kind}_min_{kind}", f"{listed} -> {kind}", _extreme("min", -1)),
            member("sort", f"list_{kind}_sort", f"{listed} -> {listed}", _sort),
            member(
                "@sortByAssociatedKeys",
                f"list_{kind}_sortByAssociatedKeys",
                f"list<T>, {listed} -> list<T>",
                _sort_by,
            ),
        ]
    for kind, add in _SUMMABLE.items():
        found.append(member("sum", f"list_{kind}_sum_{kind}", f"list<{kind}> -> {kind}", add))
    return found


LIBRARY: list[Overload] = [
    *_typed(),
    member("indexOf", "list_a_index_of_int", "list<T>, T -> int", _index_of),
    member("lastIndexOf", "list_a_last_index_of_int", "list<T>, T -> int", _last_index_of),
    member("slice", "list_slice", "list<T>, int, int -> list<T>", _slice),
    member("flatten", "list_flatten", "list<list<T>> -> list<T>", _flatten),
    member("flatten", "list_flatten_int", "list<dyn>, int -> list<dyn>", _flatten),
    member("reverse", "list_reverse", "list<T> -> list<T>", lambda items: list(reversed(items))),
    member("distinct", "list_distinct", "list<T> -> list<T>", _distinct),
    function("lists.range", "lists_range", "int -> list<int>", _range),
    function("sets.contains", "list_sets_contains_list", "list<T>, list<T> -> bool", _sets_contains),
    function(
        "sets.equivalent",
        "list_sets_equivalent_list",
        "list<T>, list<T> -> bool",
        lambda one, other: _sets_contains(one, other) and _sets_contains(other, one),
    ),
    function(
        "sets.intersects",
        "list_sets_intersects_list",
        "list<T>, list<T> -> bool",
        lambda one, other: any(contains(other, item) for item in one),
    ),
]
