"""Reads messages with Google's protobuf library, from descriptors that are built from the field-number tables."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, unknown_fields

from fairlead.apiserver.serialization.protobuf.numbers import Message, table_of
from fairlead.machinery.schemas.schema import Schema, TypeInfo

_Field = descriptor_pb2.FieldDescriptorProto
_SHARED = """
Unknown 1 typeMeta TypeMeta 2 raw bytes 3 contentEncoding string 4 contentType string
TypeMeta 1 apiVersion string 2 kind string
Timestamp 1 seconds int64 2 nanos int32
Quantity 1 string string
Duration 1 duration int64
IntOrString 1 type int64 2 intVal int32 3 strVal string
Raw 1 raw bytes
WatchEvent 1 type string 2 object Raw
"""
_SCALARS: dict[str, Any] = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "bool": _Field.TYPE_BOOL,
    "double": _Field.TYPE_DOUBLE,
}


class Peer:
    """Descriptors of one schema and of all below it."""

    def __init__(self, schema: Schema) -> None:
        self._file = descriptor_pb2.FileDescriptorProto(name="peer.proto", package="p", syntax="proto2")
        self._names: dict[Any, str] = {}
        for line in _SHARED.split("\n"):
            if line:
                name, *rest = line.split()
                message = self._file.message_type.add(name=name)
                for number, field, type in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
                    self._add(message, int(number), field, type)
        self._root = self._message(schema, table_of(schema))
        pool = descriptor_pool.DescriptorPool()
        pool.Add(self._file)
        self._pool = pool
        self._schema = schema

    def parse(self, name: str, data: bytes) -> Any:
        """Returns a message of one of the shared types."""
        message = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(f"p.{name}"))()
        message.ParseFromString(data)
        return message

    def tree(self, body: bytes) -> dict[str, Any]:
        """Returns an enveloped object as a JSON tree; every byte of it must be known."""
        assert body.startswith(b"k8s\0")
        unknown = self.parse("Unknown", body[4:])
        message = self.parse(self._root, unknown.raw)
        head = {"kind": unknown.typeMeta.kind, "apiVersion": unknown.typeMeta.apiVersion}
        return head | _struct(message, self._schema, table_of(self._schema))

    def _add(self, message: Any, number: int, name: str, type: str, *, repeated: bool = False) -> None:
        field = message.field.add(name=name, number=number)
        field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
        if type in _SCALARS:
            field.type = _SCALARS[type]
        else:
            field.type, field.type_name = _Field.TYPE_MESSAGE, f".p.{type}"

    def _message(self, schema: Schema, table: Message | None) -> str:
        key = (schema, id(table))
        if key in self._names:
            return self._names[key]
        assert table is not None, schema.name
        name = self._names[key] = f"M{len(self._names)}_{schema.name}"
        message = self._file.message_type.add(name=name)
        for number, field in table.fields.items():
            if field in schema.fields:
                info = schema.fields[field].type
                repeated = info.shape in ("list", "map")
                inner = info.item if info.shape == "list" and info.item is not None else info
                self._add(message, number, field, self._type(inner), repeated=repeated)
        for number, inline in table.inline.items():
            self._add(message, number, f"inline{number}", self._message(schema, inline))
        return name

    def _type(self, info: TypeInfo) -> str:
        match info.shape:
            case "struct" if info.schema is not None:
                return self._message(info.schema, table_of(info.schema))
            case "string" if info.format.startswith("date-time"):
                return "Timestamp"
            case "string" if info.format == "duration":
                return "Duration"
            case "string":
                return "bytes" if info.format == "byte" else "string"
            case "int":
                return "int64" if info.format == "int64" else "int32"
            case "map" | "list":
                return self._composite(info)
            case shape:
                return _OTHERS[shape]

    def _composite(self, info: TypeInfo) -> str:
        assert info.item is not None
        name = f"C{len(self._names)}"
        self._names[name] = name
        message = self._file.message_type.add(name=name)
        if info.shape == "map":
            self._add(message, 1, "key", "string")
            self._add(message, 2, "value", self._type(info.item))
        else:
            self._add(message, 1, "items", self._type(info.item), repeated=True)
        return name


_OTHERS = {
    "bool": "bool",
    "float": "double",
    "bytes": "bytes",
    "quantity": "Quantity",
    "int-or-string": "IntOrString",
    "raw": "Raw",
}


def _struct(message: Any, schema: Schema, table: Message | None) -> dict[str, Any]:
    assert table is not None
    assert len(unknown_fields.UnknownFieldSet(message)) == 0
    tree: dict[str, Any] = {}
    for descriptor, value in message.ListFields():
        name = descriptor.name
        if name.startswith("inline") and name not in schema.fields:
            tree |= _struct(value, schema, table.inline[descriptor.number])
        else:
            tree[name] = _value(value, schema.fields[name].type)
    return tree


def _value(value: Any, info: TypeInfo) -> Any:
    match info.shape:
        case "struct" if info.schema is not None:
            return _struct(value, info.schema, table_of(info.schema))
        case "list" if info.item is not None:
            values = value.items if hasattr(value, "items") else value
            return [_value(one, info.item) for one in values]
        case "map" if info.item is not None:
            return {pair.key: _value(pair.value, info.item) for pair in value}
        case "string" if info.format.startswith("date-time"):
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
            return at.isoformat(timespec="microseconds" if info.format.endswith("micro") else "seconds")[:-6] + "Z"
        case "string" if info.format == "duration":
            return f"{value.duration / 1e9:g}s"
        case "bytes":
            return base64.b64encode(value).decode()
        case "string" if info.format == "byte":
            return base64.b64encode(value).decode()
        case "quantity":
            return value.string
        case "int-or-string":
            return value.strVal if value.type else value.intVal
        case "raw":
            return json.loads(value.raw)
        case _:
            return value


def full_tree(schema: Schema, depth: int = 0, above: tuple[Schema, ...] = ()) -> dict[str, Any]:
    """Returns a tree in which every field with a number is present, down to types that contain themselves."""
    table = table_of(schema)
    assert table is not None, schema.name
    known = _field_names(table)
    return {
        name: _sample(field.type, f"{name}{depth}", depth + 1, (*above, schema))
        for name, field in schema.fields.items()
        if name in known and _schema_of(field.type) not in (*above, schema)
    }


def _field_names(table: Message) -> set[str]:
    """Returns the names of a message's fields, also of messages that JSON inlines at any depth."""
    return set(table.fields.values()).union(*map(_field_names, table.inline.values()))


def _schema_of(info: TypeInfo) -> Schema | None:
    return _schema_of(info.item) if info.item is not None else info.schema


def _sample(info: TypeInfo, text: str, depth: int, above: tuple[Schema, ...]) -> Any:
    match info.shape:
        case "struct" if info.schema is not None:
            return full_tree(info.schema, depth, above)
        case "list" if info.item is not None:
            return [_sample(info.item, text, depth, above), _sample(info.item, text + "x", depth, above)]
        case "map" if info.item is not None:
            return {text: _sample(info.item, text, depth, above), "é": _sample(info.item, text, depth, above)}
        case "string":
            return _TEXTS.get(info.format, text * 40)  # longer than a length of one byte
        case "int":
            return -5 if depth % 2 else 70_000
        case "int-or-string":
            return "80%" if depth % 2 else 8080
        case shape:
            return _VALUES[shape]


_TEXTS = {
    "date-time": "1969-12-31T23:59:59Z",
    "date-time-micro": "2023-11-14T22:13:20.000005Z",
    "byte": "AP8=",
    "duration": "1.5s",
}
_VALUES: dict[str, Any] = {
    "bytes": "AP8=",
    "quantity": "1500m",
    "bool": True,
    "float": 0.25,
    "raw": {"f:metadata": {"n": [1, None]}},
}
