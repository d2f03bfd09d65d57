"""Checks an applied configuration against its type: known fields, value types, and unique keys that are present.

Apply refuses unknown fields whatever `fieldValidation` says, because they cannot have owners. Bounds and formats are
not checked here: the merged object goes through the same checks as any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fairlead.machinery.managedfields.fieldset import show
from fairlead.machinery.managedfields.shape import FREE, Shape, is_granular, is_list

_EXPECTED = {
    "struct": "map",
    "map": "map",
    "list": "list",
    "bool": "boolean",
    "int": "numeric (int or float)",
    "float": "numeric (int or float)",
    "string": "string",
    "bytes": "string",
    "int-or-string": "string or number",
    "quantity": "string or number",
}
_SORTS: dict[str, tuple[type, ...]] = {
    "struct": (dict,),
    "map": (dict,),
    "list": (list,),
    "bool": (bool,),
    "int": (int, float),
    "float": (int, float),
    "string": (str,),
    "bytes": (str,),
    "int-or-string": (str, int, float),
    "quantity": (str, int, float),
}


def problems(tree: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """Yields every problem with its path; null fits every type."""
    if tree is None:
        return
    if not _fits(tree, shape):
        expected = _EXPECTED.get(shape.type.shape, "value") if shape.type else "value"
        yield f"{path or '.'}: expected {expected}, got {_shown(tree)}"
    elif is_granular(shape, tree):
        yield from _members(tree, shape, path)
    elif is_list(shape, tree):
        yield from _items(tree, shape, path)
    elif shape.form == "leaf":
        yield from _inside_leaf(tree, shape, path)


def text_of(faults: list[str]) -> str:
    """Returns several problems as one text."""
    return faults[0] if len(faults) == 1 else "\n  ".join(["errors:", *faults])


def _members(tree: dict[str, Any], shape: Shape, path: str) -> Iterator[str]:
    for name, value in tree.items():
        if shape.form != "struct":
            yield from problems(value, shape.item or FREE, f"{path}.{name}")
        elif name in shape.fields():
            yield from problems(value, shape.fields()[name][1], f"{path}.{name}")
        elif not _open(shape):
            yield f"{path}.{name}: field not declared in schema"


def _open(shape: Shape) -> bool:
    """Returns whether a struct may have further fields."""
    return shape.type is not None and shape.type.schema is not None and shape.type.schema.open


def _items(items: list[Any], shape: Shape, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for at, one in enumerate(items):
        problem = _key_problem(one, shape)
        if problem:
            yield f"{path}: element {at}: {problem}"
            continue
        step = shape.step(one)
        if step in seen:
            yield f"{path}: duplicate entries for key {show((step,))}"
        seen.add(step)
        yield from problems(one, shape.item or FREE, path + show((step,)))


def _key_problem(one: Any, shape: Shape) -> str:
    if shape.form == "set":
        return "associative list without keys has an element that's a map type" if isinstance(one, dict | list) else ""
    if not isinstance(one, dict):
        return "associative list with keys may not have non-map elements"
    for key in shape.keys:
        value = one.get(key, shape.defaults.get(key))
        if value is None:
            return (
                f"associative list with keys has an element that omits key field {json.dumps(key)} "
                "(and doesn't have default value)"
            )
        if isinstance(value, dict | list):
            return f"key field {json.dumps(key)} must be a scalar"
    return ""


def _inside_leaf(tree: Any, shape: Shape, path: str) -> Iterator[str]:
    """Checks the inside of an atomic list or struct: it is replaced whole, but its fields must be known too."""
    info = shape.type
    if info is None:
        return
    if info.shape == "struct":
        yield from _members(tree, Shape("struct", info), path)
    elif info.shape == "list" and info.item is not None and info.item.schema is not None:
        inner = Shape("struct", info.item)
        for at, one in enumerate(tree):
            yield from problems(one, inner, f"{path}[{at}]")


def _fits(tree: Any, shape: Shape) -> bool:
    sorts = _SORTS.get(shape.type.shape) if shape.type else None
    if sorts is None:
        return True
    return isinstance(tree, sorts) and (bool in sorts or not isinstance(tree, bool))


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:200]
