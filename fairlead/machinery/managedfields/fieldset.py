"""Sets of fields in their wire form (`FieldsV1`), and their algebra.

A set is a trie of JSON objects, exactly as in `metadata.managedFields`. A key is one step (`f:spec`, `k:{"name":"a"}`,
`v:"x"`, `i:0`). The key `.` beside steps marks the path so far as a member too. A path without any steps below it is a
member and has the value `{}`. Sets have this form only: a union needs no parsing before and no rendering after
it. Functions do not change their arguments and may share parts with the result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fairlead.base.numbers import integer

Fields = dict[str, Any]
"""The root is never a member itself: an empty root is the empty set; an empty node below the root is a member."""

SELF = "."
_RANKS = {"f": 1, "k": 2, "v": 3, "i": 4}
_MAX_DEPTH = 200


class FieldsError(ValueError):
    """Invalid `fieldsV1` from a client."""


def is_member(node: Fields) -> bool:
    """Returns whether the path of the node is itself a member of the set."""
    return not node or SELF in node


def as_member(node: Fields | None) -> Fields:
    """Returns the node with its path as a member."""
    if not node:
        return {}
    return node if SELF in node else {SELF: {}, **node}


def union(one: Fields, other: Fields) -> Fields:
    """Returns the members of both sets."""
    return _union(one, other) if one and other else one or other


def difference(one: Fields, other: Fields) -> Fields:
    """Returns the paths of `one` that are not members of `other`; each path is looked up by itself, without those below
    it."""
    return (_difference(one, other) or {}) if one and other else one


def intersection(one: Fields, other: Fields) -> Fields:
    """Returns the paths that are members of both sets."""
    return (_intersection(one, other) or {}) if one and other else {}


def paths(fields: Fields) -> Iterator[tuple[str, ...]]:
    """Yields the steps of every member, in order."""
    yield from _paths(fields, ())


def contains(fields: Fields, path: tuple[str, ...]) -> bool:
    """Returns whether the path is a member."""
    node = fields
    for step in path:
        child = node.get(step)
        if child is None:
            return False
        node = child
    return bool(path) and is_member(node)


def field_set(*paths: tuple[str, ...]) -> Fields:
    """Returns a set of paths of field names: `field_set(("metadata", "labels"))`."""
    fields: Fields = {}
    for path in paths:
        one: Fields = {}
        for name in reversed(path):
            one = {f"f:{name}": one}
        fields = union(fields, one)
    return fields


def show(path: tuple[str, ...]) -> str:
    """Renders a path as upstream's messages do: `.spec.ports[port=80,protocol="TCP"].targetPort`."""
    return "".join(_show(step) for step in path)


def parse_fields(tree: Any) -> Fields:
    """Returns a set from a client in normal form. Raises BadFields."""
    if not isinstance(tree, dict):
        raise FieldsError("a set of fields is an object")
    return _ordered(_parse(tree, 0, root=True))


def _union(one: Fields, other: Fields) -> Fields:
    """Returns the union; `one` itself if it contains `other`, because most writers write the same fields again."""
    if not one:
        return as_member(other) if other else one
    if not other:
        return as_member(one)
    both, grown = one, False
    for step, node in other.items():
        known = one.get(step)
        merged = node if known is None else _union(known, node)
        if merged is not known:
            both = dict(both) if both is one else both
            both[step] = merged
            grown = grown or known is None
    return {step: both[step] for step in sorted(both, key=rank)} if grown else both


def _difference(one: Fields, other: Fields) -> Fields | None:
    """Returns the difference; `one` itself if the two are disjoint, None if the result is empty."""
    changes: dict[str, Fields | None] = {}
    for step, against in other.items():
        node = None if step == SELF else one.get(step)
        if node is not None:
            rest = _difference(node, against)
            if rest is not node:
                changes[step] = rest
    member = is_member(one)
    stays = member and not is_member(other)
    if not changes and stays == member:
        return one
    kept = {step: changes.get(step, node) for step, node in one.items() if step != SELF}
    return _node({step: node for step, node in kept.items() if node is not None}, member=stays)


def _intersection(one: Fields, other: Fields) -> Fields | None:
    kept = {}
    for step, node in one.items():
        against = None if step == SELF else other.get(step)
        if against is not None:
            common = _intersection(node, against)
            if common is not None:
                kept[step] = common
    return _node(kept, member=is_member(one) and is_member(other))


def _node(below: Fields, *, member: bool) -> Fields | None:
    if below:
        return {SELF: {}, **below} if member else below
    return {} if member else None


def _paths(fields: Fields, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for step, node in fields.items():
        if step != SELF:
            path = (*above, step)
            if is_member(node):
                yield path
            yield from _paths(node, path)


def _ordered(fields: Fields) -> Fields:
    steps = sorted(fields, key=rank) if len(fields) > 1 else fields
    return {step: _ordered(fields[step]) if fields[step] else {} for step in steps}


def rank(step: str) -> tuple[int, Any]:
    """Returns the sort key of a step: names, then keys by their values, then values."""
    kind = step[0]
    if kind == "k":
        return 2, [_comparable(value) for value in json.loads(step[2:]).values()]
    return _RANKS.get(kind, 0), step


def _comparable(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool | int | float):
        return 1, value
    return (2, value) if isinstance(value, str) else (0, json.dumps(value))


def _show(step: str) -> str:
    rest = step[2:]
    match step[0]:
        case "f":
            return f".{rest}"
        case "k":
            pairs = json.loads(rest).items()
            return "[" + ",".join(f"{name}={_text(value)}" for name, value in pairs) + "]"
        case "v":
            return f"[={rest}]"
        case _:
            return f"[{rest}]"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _parse(tree: Fields, depth: int, *, root: bool = False) -> Fields:
    if depth > _MAX_DEPTH:
        raise FieldsError("exceeded max depth")
    parsed: Fields = {}
    for step, node in tree.items():
        if not isinstance(node, dict):
            raise FieldsError(f"the value of {step!r} must be an object")
        if step == SELF:
            if not root:
                parsed[SELF] = {}
        else:
            parsed[_parse_step(step)] = _parse(node, depth + 1)
    return {} if parsed == {SELF: {}} else parsed


def _parse_step(step: str) -> str:
    kind, rest = step[:2], step[2:]
    try:
        match kind:
            case "f:":
                return step
            case "k:":
                keys = json.loads(rest)
                if isinstance(keys, dict) and keys:
                    return "k:" + _compact({name: keys[name] for name in sorted(keys)})
            case "v:":
                return "v:" + _compact(json.loads(rest))
            case "i:":
                return f"i:{integer(rest)}"
            case _:
                pass
    except (ValueError, RecursionError):
        pass
    raise FieldsError(f"invalid path element {step!r}")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
