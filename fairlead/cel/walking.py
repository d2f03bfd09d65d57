"""Walks over a syntax tree."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.cel.syntax import Bind, Call, Comprehension, ListNode, MapNode, Node, Select, StructNode


def children(node: Node) -> list[Node]:
    """Returns the expressions directly within an expression."""
    match node:
        case Select():
            return [node.operand]
        case Call():
            return ([node.target] if node.target is not None else []) + node.args
        case ListNode():
            return node.items
        case MapNode():
            return [part for entry in node.entries for part in (entry.key, entry.value)]
        case StructNode():
            return [entry.value for entry in node.entries]
        case Comprehension():
            return [node.within, node.init, node.condition, node.step, node.result]
        case Bind():
            return [node.value, node.body]
        case _:
            return []


def walk(node: Node) -> Iterator[Node]:
    """Yields an expression and all expressions within it."""
    yield node
    for child in children(node):
        yield from walk(child)
