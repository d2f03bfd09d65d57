"""Computes the fields of an object, and the fields that differ between two objects: JSON trees in, sets of fields out.

Semantics are those of structured-merge-diff: an applied configuration owns leaves, keys of maps and items of lists, but
not the structs around them; a comparison also names the structs that were created around a leaf. Equal parts are
skipped by one comparison of dicts, so that the cost of an update depends on the size of its changes. Members are
visited in sorted order, so that the sets need no sorting afterwards.
"""

from __future__ import annotations

from typing import Any

from fairlead.machinery.managedfields.fieldset import SELF, Fields, as_member, rank, union
from fairlead.machinery.managedfields.shape import FREE, Shape, below, is_granular, is_list

Tree = dict[str, Any]


def fields_of(tree: Tree, shape: Shape) -> Fields:
    """Returns the fields that an applied configuration owns."""
    return _owned(tree, shape) or {}


def compare(old: Tree, new: Tree, shape: Shape) -> tuple[Fields, Fields]:
    """Returns the fields that are new or different, and those that were removed."""
    if old == new:
        return {}, {}
    changed, removed = _compare(old, new, shape)
    return changed or {}, removed or {}


def node_of(value: Any, shape: Shape) -> Fields:
    """Returns the node of a value that was created or removed as a whole."""
    form = shape.form
    if form == "leaf" or not value:
        return {}
    if form == "struct" and isinstance(value, dict):
        fields = shape.fields()
        node: Fields = {SELF: {}}
        for name in sorted(value):
            step, known = fields.get(name) or (f"f:{name}", FREE)
            inner = value[name]
            node[step] = {} if known.form == "leaf" or not inner else node_of(inner, known)
        return node
    if is_list(shape, value):
        item = shape.item or FREE
        return {SELF: {}, **{step: node_of(one, item) for step, one in by_step(value, shape)}}
    if isinstance(value, dict):
        item = shape.item or FREE
        return {SELF: {}, **{f"f:{name}": node_of(value[name], item) for name in sorted(value)}}
    return {}


def by_step(value: list[Any], shape: Shape) -> list[tuple[str, Any]]:
    """Returns the items of a list with their path elements, in the order of the path elements."""
    pairs = [(shape.step(one), one) for one in value]
    if len(pairs) > 1:
        pairs.sort(key=lambda pair: rank(pair[0]))
    return pairs


def _owned(value: Any, shape: Shape) -> Fields | None:
    """Returns the node of a configured value; None for a value without fields to own."""
    if is_granular(shape, value):
        node: Fields = {}
        for name in sorted(value):
            inner = value[name]
            step, known = below(shape, name)
            owned = _owned(inner, known)
            if inner is None or inner == {} or shape.form != "struct":
                owned = as_member(owned)
            if owned is not None:
                node[step] = owned
        return node or None
    if is_list(shape, value):
        items: Fields = {}
        for step, one in by_step(value, shape):
            node = as_member(_owned(one, shape.item or FREE))
            duplicate = items.get(step)
            items[step] = node if duplicate is None else union({step: duplicate}, {step: node})[step]
        return items or None
    return {} if shape.form in ("leaf", "free") else None


def _compare(old: Any, new: Any, shape: Shape) -> tuple[Fields | None, Fields | None]:
    """Returns the nodes of two present values that differ: changed and removed."""
    if not old and not new:
        return {}, None
    if shape.form in ("keyed", "set"):
        if isinstance(old, list | None) and isinstance(new, list | None):
            return _compare_lists(old or [], new or [], shape)
    elif shape.form != "leaf" and isinstance(old, dict | None) and isinstance(new, dict | None):
        return _compare_objects(old or {}, new or {}, shape)
    return {}, None


def _compare_objects(old: Tree, new: Tree, shape: Shape) -> tuple[Fields | None, Fields | None]:
    changed: Fields = {}
    removed: Fields = {}
    differing = [name for name in new if name not in old or old[name] != new[name]]
    if len(new) - len(differing) < len(old):
        differing += [name for name in old if name not in new]
    if len(differing) > 1:
        differing.sort()
    for name in differing:
        step, known = below(shape, name)
        if name not in old:
            changed[step] = node_of(new[name], known)
        elif name not in new:
            removed[step] = node_of(old[name], known)
        elif known.form == "leaf":
            changed[step] = {}
        else:
            _record(step, _compare(old[name], new[name], known), changed, removed)
    return changed or None, removed or None


def _record(step: str, both: tuple[Fields | None, Fields | None], changed: Fields, removed: Fields) -> None:
    if both[0] is not None:
        changed[step] = both[0]
    if both[1] is not None:
        removed[step] = both[1]


def _compare_lists(old: list[Any], new: list[Any], shape: Shape) -> tuple[Fields | None, Fields | None]:
    if len(old) == 1 and len(new) == 1:
        return _compare_single(old[0], new[0], shape)
    # In most lists, most items are unchanged and at the same position.
    same = {at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one == other}
    was = _grouped([one for at, one in enumerate(old) if at not in same], shape)
    now = _grouped([one for at, one in enumerate(new) if at not in same], shape)
    # stored lists may hold an item twice, and one of the two may have been removed
    if same and was.keys() != now.keys():
        was, now = _grouped(old, shape), _grouped(new, shape)
    changed: Fields = {}
    removed: Fields = {}
    steps = now.keys() | was.keys()
    for step in sorted(steps, key=rank) if len(steps) > 1 else steps:
        before, after = was.get(step, []), now.get(step, [])
        if before == after:
            continue
        if not before:
            changed[step] = node_of(after[0], shape.item or FREE) if len(after) == 1 else {}
        elif not after:
            removed[step] = node_of(before[0], shape.item or FREE) if len(before) == 1 else {}
        elif len(before) == 1 and len(after) == 1:
            _record(step, _compare(before[0], after[0], shape.item or FREE), changed, removed)
        else:
            changed[step] = {}
    return changed or None, removed or None


def _compare_single(old: Any, new: Any, shape: Shape) -> tuple[Fields | None, Fields | None]:
    before, after, item = shape.step(old), shape.step(new), shape.item or FREE
    if before != after:
        return {after: node_of(new, item)}, {before: node_of(old, item)}
    changed, removed = _compare(old, new, item)
    return None if changed is None else {after: changed}, None if removed is None else {before: removed}


def _grouped(items: list[Any], shape: Shape) -> dict[str, list[Any]]:
    """Returns the items by path element; stored lists may hold one twice."""
    groups: dict[str, list[Any]] = {}
    for one in items:
        groups.setdefault(shape.step(one), []).append(one)
    return groups
