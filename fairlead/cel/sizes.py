"""Ranges of sizes and costs, and the sizes that a schema or a literal bounds."""

from __future__ import annotations

import math
from typing import NamedTuple

from fairlead.cel.syntax import ListNode, Literal, MapNode, Node
from fairlead.cel.types import OPTIONAL, Type

UNBOUNDED = (1 << 64) - 1
_SCALARS = frozenset(("bool", "double", "duration", "int", "timestamp", "uint"))


class Range(NamedTuple):
    """The least and the greatest value of a size or a cost."""

    low: int
    high: int

    def plus(self, other: Range) -> Range:
        return Range(add(self.low, other.low), add(self.high, other.high))

    def times(self, other: Range) -> Range:
        return Range(multiply(self.low, other.low), multiply(self.high, other.high))

    def scaled(self, factor: float) -> Range:
        return Range(scale(self.low, factor), scale(self.high, factor))

    def union(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))


def add(one: int, other: int) -> int:
    return min(one + other, UNBOUNDED)


def multiply(one: int, other: int) -> int:
    return min(one * other, UNBOUNDED)


def scale(value: int, factor: float) -> int:
    return min(math.ceil(float(value) * factor), UNBOUNDED)


def fixed(value: int) -> Range:
    return Range(value, value)


UNKNOWN = Range(0, UNBOUNDED)
NOTHING, ONE = fixed(0), fixed(1)
Path = tuple[str, ...]


def size_at(root: Type, path: Path) -> Range | None:
    """Returns the size that the schema of `self` bounds at a path. The first step is not looked at, as upstream."""
    if not path:
        return None
    found = root
    for step in path[1:]:
        if step in ("@items", "@values", "@keys"):
            if not found.params:
                return None
            found = found.params[0 if step == "@keys" or found.kind == "list" else 1]
        elif (field := found.fields.get(step)) is not None:
            found = field.type
        else:
            return None
    return Range(0, found.max_elements or 0)


class Entry(NamedTuple):
    """The sizes of keys and values of a list or map."""

    is_list: bool
    key: Range
    value: Range

    def union(self, other: Entry) -> Entry:
        return Entry(self.is_list, self.key.union(other.key), self.value.union(other.value))


class Info:
    """The knowledge of a node: the path, the size, and the sizes of entries."""

    __slots__ = ("entry", "path", "size")

    def __init__(self) -> None:
        self.path: Path = ()
        self.size: Range | None = None
        self.entry: Entry | None = None


def literal_size(node: Node) -> Range | None:
    match node:
        case Literal():
            return fixed(len(node.value)) if isinstance(node.value, str | bytes) else ONE
        case ListNode():
            return fixed(len(node.items))
        case MapNode():
            return fixed(len(node.entries))
        case _:
            return None


def is_scalar(type: Type) -> bool:
    return type.kind in _SCALARS or (type.name == OPTIONAL and is_scalar(type.params[0]))
