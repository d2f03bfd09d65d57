"""A structural schema as a tree of nodes, read once from the JSON of `openAPIV3Schema`.

Texts for readers (`description`, `title`, `example`) are left out: they are most of a large schema, and only OpenAPI
needs them, which reads the definition itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Tree = Mapping[str, Any]

_TEXTS = frozenset(("description", "title", "example", "externalDocs"))
_CHILDREN = frozenset(("properties", "additionalProperties", "items"))
INT_OR_STRING = "x-kubernetes-int-or-string"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
LIST_TYPE = "x-kubernetes-list-type"
LIST_KEYS = "x-kubernetes-list-map-keys"
MAP_TYPE = "x-kubernetes-map-type"
RULES = "x-kubernetes-validations"
META = frozenset(("apiVersion", "kind", "metadata"))


class Node:
    """A schema with the schemas of its fields, items or values."""

    __slots__ = (
        "additional",
        "embedded",
        "has_default",
        "items",
        "keyed",
        "open",
        "own",
        "preserve",
        "properties",
        "types",
    )

    def __init__(self, tree: Tree) -> None:
        self.own: dict[str, Any] = {key: value for key, value in tree.items() if key not in _TEXTS | _CHILDREN}
        """The facts of this schema without those of its children."""
        self.properties = {name: Node(prop) for name, prop in (tree.get("properties") or {}).items()}
        additional, items = tree.get("additionalProperties"), tree.get("items")
        self.open = additional is not None and additional is not False
        """True if fields beside the properties are allowed."""
        self.additional = Node(additional) if isinstance(additional, Mapping) else None
        self.items = Node(items) if isinstance(items, Mapping) else None
        self.preserve = bool(tree.get(PRESERVE))
        self.embedded = bool(tree.get(EMBEDDED))
        self.has_default = tree.get("default") is not None
        self.types = ("integer", "string") if tree.get(INT_OR_STRING) else _types(tree)
        keys = tuple(tree.get(LIST_KEYS) or ())
        self.keyed = keys if tree.get(LIST_TYPE) == "map" else ()
        """The keys of a list that is a map."""

    @property
    def nullable(self) -> bool:
        return bool(self.own.get("nullable"))

    @property
    def list_type(self) -> str:
        return str(self.own.get(LIST_TYPE) or "")

    @property
    def map_type(self) -> str:
        return str(self.own.get(MAP_TYPE) or "")

    def child(self, name: str) -> Node | None:
        """Returns the schema of a field; None for an unknown field."""
        return self.properties.get(name) or self.additional

    def children(self) -> Iterator[Node]:
        yield from self.properties.values()
        if self.additional is not None:
            yield self.additional
        if self.items is not None:
            yield self.items

    def tree(self) -> dict[str, Any]:
        """Returns the schema as JSON, without texts for readers."""
        found = dict(self.own)
        if self.properties:
            found["properties"] = {name: prop.tree() for name, prop in self.properties.items()}
        if self.additional is not None:
            found["additionalProperties"] = self.additional.tree()
        if self.items is not None:
            found["items"] = self.items.tree()
        return found


def _types(tree: Tree) -> tuple[str, ...]:
    found = tree.get("type")
    return (found,) if found else ()


def any_of(node: Node | None, test: Any) -> bool:
    """Returns whether the test holds for a schema or a schema within it."""
    return node is not None and (test(node) or any(any_of(child, test) for child in node.children()))


def has_rules(node: Node | None) -> bool:
    """Returns whether a schema has rules, also within allOf."""
    return any_of(
        node, lambda one: bool(one.own.get(RULES)) or any(nested_rules(s) for s in one.own.get("allOf") or ())
    )


def nested_rules(schema: Mapping[str, Any]) -> bool:
    """Returns whether a schema within allOf has rules."""
    below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    inner = [one for one in [*below, *(schema.get("allOf") or ())] if isinstance(one, Mapping)]
    return bool(schema.get(RULES)) or any(map(nested_rules, inner))
