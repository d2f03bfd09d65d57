"""The API's description (OpenAPI v2) in protobuf, which kubectl requests: up to 1.25 for `explain`, later for kinds
that `/openapi/v3` does not contain.

The document is the one in JSON, encoded anew. Messages and field numbers: gnostic's `openapi.v2`. Values of any type
(defaults, extensions) are texts in YAML, which JSON is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fairlead.apiserver.serialization.protobuf.encode import delimited, varint

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
CONTENT_TYPE = MEDIA_TYPE.replace("@", ".")
"""Differs from `MEDIA_TYPE` as upstream's does: Go's parser of media types does not accept `@`."""

Tree = Mapping[str, Any]
Field = Callable[[int, Any], bytes]
"""Returns a field with its number."""
Table = Mapping[str, tuple[int, Field]]


def openapi_v2_proto(document: Tree) -> bytes:
    """Returns the document as a message `Document`."""
    return _message(document, _DOCUMENT, 16)


def _message(tree: Tree, table: Table, extensions: int) -> bytes:
    pieces = []
    for name, value in tree.items():
        if name in table:
            number, field = table[name]
            pieces.append(field(number, value))
        elif name.startswith("x-"):
            pieces.append(delimited(extensions, _named(name, _any(value))))
    return b"".join(pieces)


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + delimited(2, value)


def _any(value: Any) -> bytes:
    return delimited(2, msgspec.json.encode(value))


def _text(number: int, value: Any) -> bytes:
    return delimited(number, str(value).encode())


def _texts(number: int, values: Any) -> bytes:
    return b"".join(_text(number, value) for value in values)


def _whole(number: int, value: Any) -> bytes:
    return varint(number << 3) + varint(int(value))


def _double(number: int, value: Any) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", value)


def _value(number: int, value: Any) -> bytes:
    return delimited(number, _any(value))


def _values(number: int, values: Any) -> bytes:
    return b"".join(_value(number, value) for value in values)


def _schema(number: int, tree: Any) -> bytes:
    return delimited(number, _message(tree, _SCHEMA, 31))


def _schemas(number: int, trees: Any) -> bytes:
    return b"".join(_schema(number, tree) for tree in trees)


def _named_schemas(number: int, trees: Any) -> bytes:
    pieces = [delimited(1, _named(name, _message(tree, _SCHEMA, 31))) for name, tree in trees.items()]
    return delimited(number, b"".join(pieces))


def _inner_schema(number: int, tree: Any) -> bytes:
    """Encodes a schema within a wrapping message: `ItemsItem`, `SchemaItem`, `AdditionalPropertiesItem`."""
    return delimited(number, _whole(2, tree) if isinstance(tree, bool) else _schema(1, tree))


def _type(number: int, value: Any) -> bytes:
    return delimited(number, _texts(1, [value] if isinstance(value, str) else value))


def _parameters(number: int, trees: Any) -> bytes:
    return b"".join(delimited(number, delimited(1, _parameter(tree))) for tree in trees)


def _parameter(tree: Tree) -> bytes:
    place = tree.get("in")
    if place == "body":
        return delimited(1, _message(tree, _BODY, 6))
    number, shift = {"header": (1, 0), "query": (3, 1), "path": (4, 0)}[str(place)]
    # A query parameter has one field more (allowEmptyValue, 5), after which all numbers are higher by one.
    table = {name: (at + shift if at > 4 else at, field) for name, (at, field) in _PARAMETER.items()}
    return delimited(2, delimited(number, _message(tree, table, 22 + shift)))


def _responses(number: int, trees: Any) -> bytes:
    pieces = [delimited(1, _named(code, delimited(1, _message(tree, _RESPONSE, 5)))) for code, tree in trees.items()]
    return delimited(number, b"".join(pieces))


def _operation(number: int, tree: Any) -> bytes:
    return delimited(number, _message(tree, _OPERATION, 13))


def _paths(number: int, trees: Any) -> bytes:
    pieces = [delimited(2, _named(path, _message(tree, _PATH_ITEM, 10))) for path, tree in trees.items()]
    return delimited(number, b"".join(pieces))


def _info(number: int, tree: Any) -> bytes:
    return delimited(number, _message(tree, {"title": (1, _text), "version": (2, _text), "description": (3, _text)}, 7))


_SCHEMA: Table = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, _value),
    "multipleOf": (6, _double),
    "maximum": (7, _double),
    "exclusiveMaximum": (8, _whole),
    "minimum": (9, _double),
    "exclusiveMinimum": (10, _whole),
    "maxLength": (11, _whole),
    "minLength": (12, _whole),
    "pattern": (13, _text),
    "maxItems": (14, _whole),
    "minItems": (15, _whole),
    "uniqueItems": (16, _whole),
    "maxProperties": (17, _whole),
    "minProperties": (18, _whole),
    "required": (19, _texts),
    "enum": (20, _values),
    "additionalProperties": (21, _inner_schema),
    "type": (22, _type),
    "items": (23, _inner_schema),
    "allOf": (24, _schemas),
    "properties": (25, _named_schemas),
    "readOnly": (27, _whole),
    "example": (30, _value),
}
_BODY: Table = {
    "description": (1, _text),
    "name": (2, _text),
    "in": (3, _text),
    "required": (4, _whole),
    "schema": (5, _schema),
}
_PARAMETER: Table = {
    "required": (1, _whole),
    "in": (2, _text),
    "description": (3, _text),
    "name": (4, _text),
    "type": (5, _text),
    "format": (6, _text),
    "default": (9, _value),
    "uniqueItems": (19, _whole),
    "enum": (20, _values),
}
_RESPONSE: Table = {"description": (1, _text), "schema": (2, _inner_schema)}
_OPERATION: Table = {
    "tags": (1, _texts),
    "summary": (2, _text),
    "description": (3, _text),
    "operationId": (5, _text),
    "produces": (6, _texts),
    "consumes": (7, _texts),
    "parameters": (8, _parameters),
    "responses": (9, _responses),
    "schemes": (10, _texts),
    "deprecated": (11, _whole),
}
_PATH_ITEM: Table = {
    "get": (2, _operation),
    "put": (3, _operation),
    "post": (4, _operation),
    "delete": (5, _operation),
    "options": (6, _operation),
    "head": (7, _operation),
    "patch": (8, _operation),
    "parameters": (9, _parameters),
}
_DOCUMENT: Table = {
    "swagger": (1, _text),
    "info": (2, _info),
    "consumes": (6, _texts),
    "produces": (7, _texts),
    "paths": (8, _paths),
    "definitions": (9, _named_schemas),
}
