"""CEL types of structural schemas, and values that conform to them.

A schema is a JSON tree as in `openAPIV3Schema`. Names other than identifiers are escaped (`a-b` is
`a__dash__b`). JSON values are used as they are, except numbers and texts that CEL has other types for (`number`,
`date-time`, `duration`, `byte`) and lists with a list type; `conversion` replaces only these.

Greatest sizes follow upstream: what a request of 3 MiB can hold, if the schema is without a bound.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.cel import types
from fairlead.cel.errors import EvaluationError
from fairlead.cel.types import StructField, Type
from fairlead.cel.values import MapList, SetList, parse_duration, parse_timestamp

Tree = Mapping[str, Any]

MAX_REQUEST_BYTES = 3 * 1024 * 1024
_RESERVED = frozenset(
    ("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
     "let", "loop", "package", "namespace", "return", "var", "void", "while")
)  # fmt: skip
_PLAIN = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_NAMEABLE = re.compile(r"[a-zA-Z_./-][a-zA-Z0-9_./-]*", re.ASCII)
_SPECIAL = re.compile(r"__|[./-]")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_TIME_SIZES = {"duration": 32, "date": 12, "date-time": 32}
_MIN_TEXT, _MIN_BOOL, _MIN_NUMBER = 2, 4, 1
_MIN_SIZES = {"byte": 2, "duration": 3, "date": 12, "date-time": 21}


def escape(name: str) -> str:
    """Returns a field's name as an identifier; empty if expressions cannot name it."""
    if name in _RESERVED:
        return f"__{name}__"
    if _PLAIN.fullmatch(name) and "__" not in name:
        return name
    if not _NAMEABLE.fullmatch(name):
        return ""
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], name)


class SchemaType:
    """The type of the values of a schema. `type` is None if expressions cannot use them."""

    __slots__ = ("item", "min_size", "props", "type")

    def __init__(
        self,
        type: Type | None,
        min_size: int,
        *,
        item: SchemaType | None = None,
        props: Mapping[str, SchemaType] | None = None,
    ) -> None:
        self.type = type
        self.min_size = min_size
        """The least number of bytes of a value as JSON."""
        self.item = item
        self.props = props or {}


_NOTHING = SchemaType(None, 0)


def schema_type(schema: Tree, *, root: bool = False) -> SchemaType:
    """Returns the type of a schema; `root` adds the fields that every resource has."""
    if schema.get("x-kubernetes-int-or-string"):
        return SchemaType(_sized(types.DYN, _text_size(schema)), _MIN_NUMBER)
    match schema.get("type"):
        case "array":
            return _list(schema)
        case "object":
            return _object(schema, root=root)
        case "string":
            return _text(schema)
        case "boolean":
            return SchemaType(_sized(types.BOOL, 0), _MIN_BOOL)
        case "number":
            return SchemaType(_sized(types.DOUBLE, 0), _MIN_NUMBER)
        case "integer":
            return SchemaType(_sized(types.INT, 0), _MIN_NUMBER)
        case _:
            return _NOTHING


def _sized(type: Type, max_elements: int) -> Type:
    return Type(type.kind, type.name, type.params, max_elements=max_elements)


def _text_size(schema: Tree) -> int:
    longest = schema.get("maxLength")
    if longest is not None:
        return max(int(longest), 0) * 4
    return MAX_REQUEST_BYTES - 2


def _text(schema: Tree) -> SchemaType:
    format = schema.get("format", "")
    if format == "byte":
        longest = schema.get("maxLength")
        size = MAX_REQUEST_BYTES - 2 if longest is None else max(int(longest), 0)
        return SchemaType(_sized(types.BYTES, size), _MIN_TEXT)
    if format in _TIME_SIZES:
        kind = types.DURATION if format == "duration" else types.TIMESTAMP
        return SchemaType(_sized(kind, _TIME_SIZES[format]), _MIN_SIZES[format])
    size = _text_size(schema)
    if schema.get("maxLength") is None and schema.get("enum"):
        size = max((len(one.encode()) for one in schema["enum"] if isinstance(one, str)), default=0)
    return SchemaType(_sized(types.STRING, size), _MIN_TEXT)


def _list(schema: Tree) -> SchemaType:
    items = schema.get("items")
    if not isinstance(items, Mapping):
        return _NOTHING
    item = schema_type(items, root=bool(items.get("x-kubernetes-embedded-resource")))
    if item.type is None:
        return _NOTHING
    most = schema.get("maxItems")
    size = (MAX_REQUEST_BYTES - 2) // (item.min_size + 1) if most is None else max(int(most), 0)
    return SchemaType(types.list_of(item.type, size), 2, item=item)


def _object(schema: Tree, *, root: bool) -> SchemaType:
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        item = schema_type(values, root=bool(values.get("x-kubernetes-embedded-resource")))
        if item.type is None:
            return _NOTHING
        most = schema.get("maxProperties")
        size = (MAX_REQUEST_BYTES - 2) // (item.min_size + 6) if most is None else max(int(most), 0)
        return SchemaType(types.map_of(_sized(types.STRING, 0), item.type, size), 2, item=item)
    return _struct(with_header(schema) if root else schema)


def _struct(schema: Tree) -> SchemaType:
    required, min_size = set(schema.get("required") or ()), 2
    props: dict[str, SchemaType] = {}
    fields: dict[str, StructField] = {}
    for name, prop in (schema.get("properties") or {}).items():
        found = schema_type(prop, root=bool(prop.get("x-kubernetes-embedded-resource")))
        if found.type is None:
            continue
        props[name] = found
        if escaped := escape(name):
            fields[escaped] = StructField(found.type, name)
        if name in required and prop.get("default") is None:
            min_size += len(name) + found.min_size + 4
    type = Type("struct", "object", fields=fields, max_elements=0)
    return SchemaType(type, min_size, props=props)


_HEADER: Tree = {
    "kind": {"type": "string"},
    "apiVersion": {"type": "string"},
    "metadata": {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}},
}


def with_header(schema: Tree) -> Tree:
    """Returns the schema with the fields of every resource that rules may use."""
    props = schema.get("properties") or {}
    own = (props.get("metadata") or {}).get("properties") or {}
    metadata = {**_HEADER["metadata"], "properties": {**own, **_HEADER["metadata"]["properties"]}}
    return {**schema, "properties": {**props, **_HEADER, "metadata": metadata}}


# Values

Convert = Callable[[Any], Any]


def conversion(schema: Tree) -> Convert | None:
    """Returns what makes CEL values of the JSON values of a schema; None if they are used as they are."""
    if schema.get("x-kubernetes-int-or-string"):
        return None
    match schema.get("type"):
        case "number":
            return lambda value: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        case "string":
            return _TEXTS.get(schema.get("format", ""))
        case "array":
            return _list_conversion(schema)
        case "object":
            return _object_conversion(schema)
        case _:
            return None


def _list_conversion(schema: Tree) -> Convert | None:
    items = schema.get("items")
    item = conversion(items) if isinstance(items, Mapping) else None
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        return _if(list, lambda value: SetList(value if item is None else map(item, value)))
    if kind == "map":
        keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        return _if(list, lambda value: MapList(value if item is None else [item(one) for one in value], keys))
    return None if item is None else _if(list, lambda value: [item(one) for one in value])


def _object_conversion(schema: Tree) -> Convert | None:
    values = schema.get("additionalProperties")
    each = conversion(values) if isinstance(values, Mapping) else None
    if each is not None:
        return _if(dict, lambda value: {key: each(one) for key, one in value.items()})
    found = {name: conversion(prop) for name, prop in (schema.get("properties") or {}).items()}
    parts = {name: convert for name, convert in found.items() if convert is not None}
    if not parts:
        return None

    def convert(value: dict[str, Any]) -> dict[str, Any]:
        return {key: parts[key](one) if key in parts else one for key, one in value.items()}

    return _if(dict, convert)


def _if(kind: type, convert: Convert) -> Convert:
    return lambda value: convert(value) if isinstance(value, kind) else value


def _bytes(text: Any) -> Any:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else text
    except ValueError as e:
        raise EvaluationError(f"Invalid byte formatted string {text}: {e}") from None


def _time(text: Any) -> Any:
    try:
        return parse_timestamp(text) if isinstance(text, str) else text
    except ValueError as e:
        raise EvaluationError(f"Invalid date-time formatted string {text}: {e}") from None


def _date(text: Any) -> Any:
    try:
        return parse_timestamp(f"{text}T00:00:00Z") if isinstance(text, str) else text
    except ValueError as e:
        raise EvaluationError(f"Invalid date formatted string {text}: {e}") from None


def _duration(text: Any) -> Any:
    try:
        return parse_duration(text) if isinstance(text, str) else text
    except ValueError as e:
        raise EvaluationError(f"Invalid duration {text}: {e}") from None


_TEXTS: Mapping[str, Convert] = {"byte": _bytes, "date-time": _time, "date": _date, "duration": _duration}

__all__ = ["SchemaType", "conversion", "escape", "schema_type", "with_header"]
