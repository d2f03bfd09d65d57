"""Removes what a schema does not specify, and finds it; removes nulls that are not allowed; fills in defaults."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from fairlead.api.apiextensions.structural.node import META, Node


def prune(value: Any, node: Node | None, *, root: bool = False) -> list[str]:
    """Removes unknown fields in place. Returns their paths. `root` is for a whole resource, whose kind, version and
    metadata are known."""
    found: list[str] = []
    _prune(value, node, "", found, keeps_meta=root)
    return found


def _prune(value: Any, node: Node | None, path: str, found: list[str], *, keeps_meta: bool = False) -> None:
    if isinstance(value, dict):
        if node is not None:
            _prune_object(value, node, path, found, keeps_meta=keeps_meta or node.embedded)
        else:
            found += [_below(path, key) for key in value]
            value.clear()
    elif isinstance(value, list):
        items = node.items if node is not None else None
        if node is not None and node.preserve and items is None:
            return
        for at, one in enumerate(value):
            _prune(one, items, f"{path}[{at}]", found)


def _prune_object(value: dict[str, Any], node: Node, path: str, found: list[str], *, keeps_meta: bool) -> None:
    unknown = []
    for key, one in value.items():
        if keeps_meta and key in META:
            continue
        prop = node.properties.get(key)
        if prop is not None or node.open:
            _prune(one, prop or node.additional, _below(path, key), found)
        elif not node.preserve:
            unknown.append(key)
    for key in unknown:
        del value[key]
        found.append(_below(path, key))


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def prune_nulls(value: Any, node: Node | None) -> None:
    """Removes nulls in place whose schema is not nullable and lacks a default."""
    if isinstance(value, dict):
        for key, one in list(value.items()):
            below = node.child(key) if node is not None else None
            if one is None and below is not None and not below.nullable and not below.has_default:
                del value[key]
            else:
                prune_nulls(one, below)
    elif isinstance(value, list):
        for one in value:
            prune_nulls(one, node.items if node is not None else None)


def default(value: Any, node: Node | None) -> None:
    """Fills in the defaults of absent fields in place, and of nulls that are not allowed."""
    if node is None:
        return
    if isinstance(value, dict):
        for key, prop in node.properties.items():
            if prop.has_default and (key not in value or _bad_null(value[key], prop)):
                value[key] = deepcopy(prop.own["default"])
        for key, one in value.items():
            below = node.properties.get(key)
            if below is None and node.additional is not None:
                below = node.additional
                if _bad_null(one, below):
                    value[key] = deepcopy(below.own.get("default"))
            default(value[key], below)
    elif isinstance(value, list) and node.items is not None:
        for at, one in enumerate(value):
            if _bad_null(one, node.items):
                value[at] = deepcopy(node.items.own.get("default"))
            default(value[at], node.items)


def _bad_null(value: Any, node: Node) -> bool:
    return value is None and not node.nullable
