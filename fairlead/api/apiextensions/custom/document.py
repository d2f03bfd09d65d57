"""The schema of a custom resource for apply, patches and OpenAPI, read off the structural schema on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairlead.api.apiextensions.structural.node import INT_OR_STRING, PRESERVE, Node
from fairlead.api.meta.types import Object
from fairlead.machinery.schemas.markers import Atomic, Default, Format, ListMap, SetList
from fairlead.machinery.schemas.schema import Field, Schema, Shape, TypeInfo, schema_of

Tree = dict[str, Any]

_SCALARS: Mapping[str, Shape] = {"string": "string", "integer": "int", "number": "float", "boolean": "bool"}
_HEADER = ("kind", "apiVersion", "metadata")


class NodeSchema(Schema):
    """The fields of a node. They are made at their first use: schemas are large, and requests touch few fields."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        super().__init__(is_tree=True)
        self._node = node
        self.plain = True
        self.open = node.preserve

    @property
    def fields(self) -> Mapping[str, Field]:
        if self._fields is None:
            self._fields = {name: Field(name, name, _type(prop)) for name, prop in self._node.properties.items()}
        return self._fields


class RootSchema(Schema):
    """The schema of whole objects: kind, version and metadata as in every object, the rest as the node says."""

    __slots__ = ("_node",)

    def __init__(self, node: Node, name: str, package: str, document: Callable[[bool], Tree]) -> None:
        super().__init__(name)
        self._node = node
        self.plain = True
        self.open = node.preserve
        self.package = package
        self.document = document

    @property
    def fields(self) -> Mapping[str, Field]:
        if self._fields is None:
            header = schema_of(Object).fields
            found = {name: header[name] for name in _HEADER}
            for name, prop in self._node.properties.items():
                if name not in found:
                    found[name] = Field(name, name, _type(prop))
            self._fields = found
        return self._fields


def _type(node: Node) -> TypeInfo:
    markers: tuple[Any, ...] = ()
    if node.has_default and isinstance(node.own["default"], str | int | bool):
        markers = (Default(node.own["default"]),)
    if node.own.get(INT_OR_STRING):
        return TypeInfo("int-or-string", markers=markers)
    kind = node.own.get("type") or ""
    if kind == "array":
        return _list_type(node)
    if kind != "object":
        shape = _SCALARS.get(kind, "raw")
        if shape == "int":
            markers = (*markers, Format("int64"))
        return TypeInfo(shape, nullable=True, markers=markers)
    markers = (Atomic(),) if node.map_type == "atomic" else ()
    if node.additional is not None:
        return TypeInfo("map", item=_type(node.additional), markers=markers)
    if node.properties or not (node.preserve or node.open):
        return TypeInfo("struct", schema=NodeSchema(node), nullable=True, markers=markers)
    return TypeInfo("raw", markers=markers)


def _list_type(node: Node) -> TypeInfo:
    item = _type(node.items) if node.items is not None else TypeInfo("raw")
    markers: tuple[Any, ...] = (Atomic(),)
    if node.keyed:
        markers = (ListMap(keys=node.keyed),)
    elif node.list_type == "set":
        markers = (SetList(),)
    return TypeInfo("list", item=item, markers=markers)


# OpenAPI


def reversed_package(group: str, version: str) -> str:
    """Returns the package of a group in OpenAPI: `com.example.stable.v1.` for `stable.example.com`."""
    return ".".join([*reversed(group.split(".")), version, ""])


def openapi_tree(schema: Tree, header: Tree, *, v2: bool) -> Tree:
    """Returns the schema as OpenAPI publishes it. `header` are the properties of every object; version 2 lacks what the
    older form cannot say, and all of an object that keeps unknown fields."""
    if v2 and schema.get(PRESERVE):
        return {"type": "object"}
    tree = _for_v2(schema) if v2 else schema
    properties = {**(tree.get("properties") or {}), **header}
    return {**tree, "type": "object", "properties": dict(sorted(properties.items()))}


_NOT_IN_V2 = frozenset(("allOf", "anyOf", "oneOf", "not", "nullable", "x-kubernetes-validations"))


def _for_v2(schema: Tree) -> Tree:
    tree = {key: value for key, value in schema.items() if key not in _NOT_IN_V2}
    if schema.get("nullable"):
        for key in ("type", "items", "properties", "additionalProperties"):
            tree.pop(key, None)
        return tree
    if schema.get(PRESERVE):
        for key in ("items", "properties", "type"):
            tree.pop(key, None)
        return tree
    if "properties" in tree:
        tree["properties"] = {name: _for_v2(prop) for name, prop in tree["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(tree.get(key), dict):
            tree[key] = _for_v2(tree[key])
    return tree
