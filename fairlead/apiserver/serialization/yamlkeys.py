"""Finds duplicate keys in a YAML or JSON document: loaders silently use the last one. Called only for suspicious
bodies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.machinery.values.yamltree import safe_loader


def repeated_keys(body: bytes) -> list[str]:
    """Returns a text for each duplicate key, with its line."""
    import yaml  # heavy, and only needed for suspicious bodies

    try:
        node = yaml.compose(body, Loader=safe_loader())
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    if node is None:
        return []
    repeated = sorted(_walk(node, yaml.MappingNode, yaml.SequenceNode))
    return [f'line {line + 1}: key "{key}" already set in map' for line, _, key in repeated]


def _walk(root: Any, mapping: Any, sequence: Any) -> Iterator[tuple[int, int, str]]:
    """Yields line, column and text of each duplicate key, in no particular order."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, mapping):
            known: set[str] = set()
            for key, value in node.value:
                name = str(key.value)
                if name in known and name != "<<":
                    yield key.start_mark.line, key.start_mark.column, name
                known.add(name)
                waiting.append(value)
        elif isinstance(node, sequence):
            waiting += node.value
