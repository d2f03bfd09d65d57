"""Keys that a YAML (or JSON) document gives twice: loaders keep the last one silently. Read only where suspected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def repeated_keys(body: bytes) -> list[str]:
    """A text for each, with its line."""
    import yaml  # heavy, and needed for odd bodies only

    try:
        node = yaml.compose(body, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    return list(_walk(node, yaml.MappingNode, yaml.SequenceNode)) if node is not None else []


def _walk(root: Any, mapping: Any, sequence: Any) -> Iterator[str]:
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, mapping):
            known: set[str] = set()
            for key, value in node.value:
                if key.value in known:
                    yield f'line {key.start_mark.line + 1}: key "{key.value}" already set in map'
                known.add(str(key.value))
                waiting.append(value)
        elif isinstance(node, sequence):
            waiting += node.value
