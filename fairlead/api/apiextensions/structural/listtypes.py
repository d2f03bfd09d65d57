"""Checks that lists that are sets or maps do not have an item twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fairlead.api.apiextensions.structural.node import Node
from fairlead.machinery.values.status import FieldError, duplicate, invalid


def list_errors(value: Any, node: Node | None, path: str = "") -> Iterator[FieldError]:
    """Yields an error for each item that is there twice."""
    if node is None:
        return
    if isinstance(value, dict):
        for key, one in value.items():
            prop = node.properties.get(key)
            if prop is not None:
                yield from list_errors(one, prop, f"{path}.{key}" if path else key)
            elif node.additional is not None:
                yield from list_errors(one, node.additional, f"{path}[{key}]")
    elif isinstance(value, list):
        if node.list_type == "set":
            yield from (duplicate(f"{path}[{at}]", value[at]) for at in _repeated(value))
        elif node.list_type == "map":
            yield from _map_errors(value, node, path)
        for at, one in enumerate(value):
            yield from list_errors(one, node.items, f"{path}[{at}]")


def _map_errors(value: list[Any], node: Node, path: str) -> Iterator[FieldError]:
    for at, one in enumerate(value):
        if one is not None and not isinstance(one, dict):
            yield invalid(f"{path}[{at}]", one, "must be an object for an array of list-type map")
            return
    keys = [{key: one[key] for key in node.keyed if key in one} if one else {} for one in value]
    yield from (duplicate(f"{path}[{at}]", keys[at]) for at in _repeated(keys))


def _repeated(items: list[Any]) -> Iterator[int]:
    """Yields the position of the second of equal items."""
    seen: dict[str, int] = {}
    for at, one in enumerate(items):
        text = json.dumps(one, sort_keys=True)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            yield at
