"""The set of fields of a new object, rendered directly as text.

The result equals that of `compare` with an empty object, without the server's own fields; a test checks that. A create
is the most frequent tracked write, and its set is only stored. Without dicts, and with the cached text of structs that
have the same members, it costs less than half.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from fairlead.machinery.managedfields.compare import by_step
from fairlead.machinery.managedfields.shape import FREE, Shape, is_list

Tree = dict[str, Any]

_WHOLE = '{".":{}'
_MOST_PLANS = 256
"""Limit for one shape: names of members come from clients."""
_encode = msgspec.json.Encoder().encode


class _Placeholder(NamedTuple):
    """A member whose text depends on its value, with the text before it."""

    text: str
    name: str
    shape: Shape


class _Plan(NamedTuple):
    placeholders: tuple[_Placeholder, ...]
    tail: str


def text_of_new(tree: Tree, empty: Tree, shape: Shape, *, skip: Tree) -> str:
    """Returns the `FieldsV1` of all fields of the tree that are not in `empty`; `skip` is a tree of names to leave
    out."""
    return "{" + _added(tree, empty, shape, skip) + "}"


def _added(tree: Tree, empty: Tree, shape: Shape, skip: Tree) -> str:
    """Returns the text of the new members of a struct that exists in every object."""
    parts = []
    fresh = tuple(name for name in tree if name not in empty and name not in skip)
    if len(fresh) + sum(not skip.get(name, True) for name in tree) == len(tree):  # the rest is left out as a whole
        return _filled(_plan(shape, fresh, ""), tree).removeprefix(",") if fresh else ""
    prefixes = shape.prefixes()
    for name in sorted(tree):
        skipped = skip.get(name)
        if name in skip and not skipped:
            continue
        prefix, known = prefixes.get(name) or (_prefix(name), FREE)
        if name not in empty:
            parts.append(prefix + _whole(tree[name], known))
        elif tree[name] != empty[name]:
            if known.form != "struct":
                parts.append(prefix + _inside(tree[name], known))
            elif below := _added(tree[name], empty[name], known, skipped or {}):
                parts.append(prefix + "{" + below + "}")
    return ",".join(parts)


def _inside(value: Any, shape: Shape) -> str:
    """Returns the text of the members of a list or map that exists, empty, in every object: the list or map itself is
    not new."""
    text = _whole(value, shape)
    return "{" + text.removeprefix(_WHOLE + ",") if text.startswith(_WHOLE + ",") else text


def _whole(value: Any, shape: Shape) -> str:
    if shape.form == "leaf" or not value:
        return "{}"
    if shape.form == "struct":
        return _filled(_plan(shape, tuple(value), _WHOLE), value) + "}"
    item = shape.item or FREE
    if is_list(shape, value):
        return ",".join([_WHOLE, *(f"{_quote(step)}:{_whole(one, item)}" for step, one in by_step(value, shape))]) + "}"
    if isinstance(value, dict):
        return ",".join([_WHOLE, *(_prefix(name) + _whole(value[name], item) for name in sorted(value))]) + "}"
    return "{}"


def _filled(plan: _Plan, value: Tree) -> str:
    if not plan.placeholders:
        return plan.tail
    return (
        "".join(
            [placeholder.text + _whole(value[placeholder.name], placeholder.shape) for placeholder in plan.placeholders]
        )
        + plan.tail
    )


def _plan(shape: Shape, names: tuple[str, ...], begin: str) -> _Plan:
    """Returns the text of a struct with these members. Cached, because many objects have the same members."""
    plan: _Plan | None = shape.plans.get((names, begin))
    if plan is None:
        if len(shape.plans) >= _MOST_PLANS:
            shape.plans.clear()
        plan = shape.plans[names, begin] = _new_plan(shape, names, begin)
    return plan


def _new_plan(shape: Shape, names: tuple[str, ...], begin: str) -> _Plan:
    prefixes, placeholders, text = shape.prefixes(), [], begin
    for name in sorted(names):
        prefix, known = prefixes.get(name) or (_prefix(name), FREE)
        if known.form == "leaf":
            text += f",{prefix}{{}}"
        else:
            placeholders.append(_Placeholder(f"{text},{prefix}", name, known))
            text = ""
    return _Plan(tuple(placeholders), text)


def _prefix(name: str) -> str:
    return _quote("f:" + name) + ":"


def _quote(text: str) -> str:
    return _encode(text).decode()
