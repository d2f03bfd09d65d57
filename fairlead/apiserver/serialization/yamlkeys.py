"""Keys that a YAML (or JSON) document gives twice: loaders keep the last one silently. Read only where suspected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.machinery.yamltree import safe_loader


def repeated_keys(body: bytes) -> list[str]:
    """A text for each, with its line."""
    import yaml  # heavy, and needed for odd bodies only

    try:
        node = yaml.compose(body, Loader=safe_loader())
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    if node is None:
        return []
    found = sorted(_walk(node, yaml.MappingNode, yaml.SequenceNode))
    return [f'line {line + 1}: key "{key}" already set in map' for line, _, key in found]


def _walk(root: Any, mapping: Any, sequence: Any) -> Iterator[tuple[int, int, str]]:
    """Line, column and text of each repeated key, in no order."""
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
