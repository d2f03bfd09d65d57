"""The syntax tree of an expression. Macros are expanded by the parser, so that every tree has these nodes only.

The checker notes types and overloads on the nodes.
"""

from __future__ import annotations

from typing import Any

from fairlead.cel.types import DYN, Type

ACCUMULATOR = "@result"


class Node:
    """An expression; `at` is the offset in the source that errors point to."""

    __slots__ = ("at", "type")

    def __init__(self, at: int) -> None:
        self.at = at
        self.type: Type = DYN


class Literal(Node):
    __slots__ = ("value",)

    def __init__(self, at: int, value: Any) -> None:
        super().__init__(at)
        self.value = value


class Ident(Node):
    __slots__ = ("constant", "name")

    def __init__(self, at: int, name: str) -> None:
        super().__init__(at)
        self.name = name
        self.constant: Type | None = None
        """The type that the name stands for, if it is the name of a type."""


class Select(Node):
    """`operand.field`, `operand.?field` (optional), or `has(operand.field)` (test)."""

    __slots__ = ("field", "key", "operand", "optional", "test")

    def __init__(self, at: int, operand: Node, field: str, *, test: bool = False, optional: bool = False) -> None:
        super().__init__(at)
        self.operand = operand
        self.field = field
        self.key = field
        """The key in the JSON object, which differs from the field if the field's name is escaped."""
        self.test = test
        self.optional = optional


class Call(Node):
    __slots__ = ("args", "function", "overloads", "target")

    def __init__(self, at: int, function: str, args: list[Node], target: Node | None = None) -> None:
        super().__init__(at)
        self.function = function
        self.args = args
        self.target = target
        self.overloads: list[Any] = []
        """The overloads that fit the types of the arguments (`functions.Overload`)."""


class ListNode(Node):
    __slots__ = ("items", "optional")

    def __init__(self, at: int, items: list[Node], optional: frozenset[int] = frozenset()) -> None:
        super().__init__(at)
        self.items = items
        self.optional = optional
        """The positions of items that are optional values."""


class Entry:
    """An entry of a map or a field of a struct."""

    __slots__ = ("at", "key", "optional", "value")

    def __init__(self, at: int, key: Any, value: Node, *, optional: bool) -> None:
        self.at = at
        self.key = key
        self.value = value
        self.optional = optional


class MapNode(Node):
    __slots__ = ("entries",)

    def __init__(self, at: int, entries: list[Entry]) -> None:
        super().__init__(at)
        self.entries = entries


class StructNode(Node):
    __slots__ = ("entries", "name")

    def __init__(self, at: int, name: str, entries: list[Entry]) -> None:
        super().__init__(at)
        self.name = name
        self.entries = entries


class Comprehension(Node):
    """A loop over a list or a map: `accu` starts as `init`, `step` gives its next value while `condition` holds, and
    `result` is the value of all."""

    __slots__ = ("accu", "condition", "init", "result", "step", "var", "var2", "within")

    def __init__(
        self,
        at: int,
        within: Node,
        variables: tuple[str, str],
        parts: tuple[Node, Node, Node, Node],
    ) -> None:
        super().__init__(at)
        self.within = within
        self.var, self.var2 = variables
        self.accu = ACCUMULATOR
        self.init, self.condition, self.step, self.result = parts


class Bind(Node):
    """A local variable (as the macros `optMap`, `optFlatMap` and `sortBy` need it): `value` under a name in `body`."""

    __slots__ = ("body", "name", "value")

    def __init__(self, at: int, name: str, value: Node, body: Node) -> None:
        super().__init__(at)
        self.name = name
        self.value = value
        self.body = body


def qualified_name(node: Node) -> str:
    """Returns the dotted name of a chain of identifiers; empty for any other expression."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test and not node.optional:
        prefix = qualified_name(node.operand)
        return f"{prefix}.{node.field}" if prefix else ""
    return ""
