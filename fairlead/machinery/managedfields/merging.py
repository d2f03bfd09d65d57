"""Merges an applied configuration into an object and removes fields from an object: JSON trees in, new trees out."""

from __future__ import annotations

from typing import Any

from fairlead.machinery.managedfields.fieldset import SELF, Fields, is_member
from fairlead.machinery.managedfields.shape import FREE, Shape, below, is_granular, is_list

Tree = dict[str, Any]


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """Returns the live value with all configured fields; other fields stay."""
    if is_granular(shape, live) and (config is None or isinstance(config, dict)):
        merged = dict(live)
        for name, value in (config or {}).items():
            merged[name] = merge(live[name], value, below(shape, name)[1]) if name in live else value
        return merged
    if is_list(shape, live) and (config is None or isinstance(config, list)):
        return _merge_lists(live, config or [], shape)
    return config


def _merge_lists(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Returns the configured items in their order; each item that only the live list has stays before the item that it
    preceded."""
    configured = [shape.step(one) for one in config]
    wanted_steps, steps = set(configured), [shape.step(one) for one in live]
    positions: dict[str, int] = {}
    for at, step in enumerate(steps):
        # An item that the list holds twice cannot be merged; the configured item replaces both.
        positions[step] = -1 if step in positions else at
    shared = iter([step for step in configured if step in positions])
    upcoming = next(shared, None)
    merged: list[Any] = []
    at = 0
    for step, one in zip(configured, config, strict=True):
        while at < len(live) and steps[at] != upcoming:
            if steps[at] not in wanted_steps:
                merged.append(live[at])
            at += 1
        place = positions.get(step, -1)
        merged.append(merge(live[place], one, shape.item or FREE) if place >= 0 else one)
        if step == upcoming:
            upcoming = next(shared, None)
    return merged + [live[i] for i in range(at, len(live)) if steps[i] not in wanted_steps]


def remove(value: Any, fields: Fields, shape: Shape, *, keep: tuple[str, ...] = ()) -> Any:
    """Returns the value without the members of the set. A value that loses all its members stays, empty, unless it is a
    member itself."""
    if not fields:
        return value
    if is_granular(shape, value):
        kept: Tree = {}
        for name, inner in value.items():
            step, known = below(shape, name)
            node = None if name in keep else fields.get(step)
            if node is None:
                kept[name] = inner
            elif not is_member(node):
                kept[name] = remove(inner, node, known)
        return kept
    if is_list(shape, value):
        return _remove_items(value, fields, shape)
    return value


def _remove_items(value: list[Any], fields: Fields, shape: Shape) -> list[Any]:
    items = []
    for one in value:
        node = fields.get(shape.step(one))
        if node is None:
            items.append(one)
        elif not is_member(node):
            # Without its keys, an item would be a different one.
            items.append(remove(one, node, shape.item or FREE, keep=shape.keys))
    return items


def with_named(fields: Fields, shape: Shape) -> Fields:
    """Returns the set with every declared field that has members below it: such a field is removed if it loses all its
    members."""
    node: Fields = {SELF: {}} if SELF in fields else {}
    for step, inner in fields.items():
        if step == SELF:
            continue
        name = step[2:]
        if step[0] == "f" and shape.form == "struct" and name in shape.fields():
            child = with_named(inner, shape.fields()[name][1]) if inner else {}
            node[step] = {SELF: {}, **child} if child and SELF not in child else child
        else:
            node[step] = with_named(inner, _item_shape(shape, step)) if inner else {}
    return node


def _item_shape(shape: Shape, step: str) -> Shape:
    if step[0] == "f":
        return below(shape, step[2:])[1]
    return shape.item or FREE
