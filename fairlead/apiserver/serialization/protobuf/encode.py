"""Encodes JSON trees in protobuf.

What must stay true: the result depends on the members of the tree that are present, and on nothing else; Go's decoder
gives an absent field the same value as the JSON decoder does.

The encoder of a schema is a table from field names to functions, built at the schema's first use. It walks the members
of a tree instead of the fields of the schema, because most fields of most objects are absent.
"""

from __future__ import annotations

import base64
import functools
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from fairlead.apiserver.serialization.protobuf import MAGIC
from fairlead.apiserver.serialization.protobuf.numbers import Message, table_of
from fairlead.base.duration import parse_duration
from fairlead.machinery.schemas.markers import Alternative
from fairlead.machinery.schemas.schema import Schema, TypeInfo, per_schema

Encode = Callable[[Any], bytes]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_json = msgspec.json.Encoder().encode
_SMALL = [bytes([n]) for n in range(128)]


def varint(value: int) -> bytes:
    """Returns a number as a varint; a negative one as its 64-bit complement."""
    if 0 <= value < 128:
        return _SMALL[value]
    value &= 0xFFFF_FFFF_FFFF_FFFF
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def delimited(number: int, data: bytes) -> bytes:
    """Returns a length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(api_version: str, kind: str, message: bytes) -> bytes:
    """Returns a message as upstream's `runtime.Unknown`, behind the magic bytes."""
    return _head(api_version, kind) + delimited(2, message)


@functools.lru_cache(maxsize=512)
def _head(api_version: str, kind: str) -> bytes:
    return MAGIC + delimited(1, delimited(1, api_version.encode()) + delimited(2, kind.encode()))


class MessageEncoder:
    """Encodes the values of one schema."""

    __slots__ = ("_fields", "_inline", "_schema", "_table")

    def __init__(self, schema: Schema, table: Message) -> None:
        self._schema = schema
        self._table = table
        self._fields: dict[str, Encode] | None = None
        self._inline: dict[int, MessageEncoder] = {}

    def __call__(self, tree: Mapping[str, Any]) -> bytes:
        """Returns the message without its length."""
        fields = self._fields
        if fields is None:
            fields = self._fields = self._fields_of(self._table)
            inlined = self._table.inline.items()
            self._inline = {number: MessageEncoder(self._schema, inner) for number, inner in inlined}
        pieces = [fields[name](value) for name, value in tree.items() if value is not None and name in fields]
        for number, inner in self._inline.items():
            if message := inner(tree):
                pieces.append(delimited(number, message))
        return b"".join(pieces)

    def _fields_of(self, table: Message) -> dict[str, Encode]:
        known = self._schema.fields
        return {name: _field(number, known[name].type) for number, name in table.fields.items() if name in known}


@per_schema
def encoder_of(schema: Schema) -> MessageEncoder | None:
    """Returns the encoder of a schema; None if its field numbers are not known."""
    table = table_of(schema)
    return MessageEncoder(schema, table) if table is not None else None


def _field(number: int, info: TypeInfo) -> Encode:
    """Returns a function from a field's value to the field's bytes."""
    if info.shape == "list" and info.item is not None:
        item = _single(number, info.item)
        return lambda values: b"".join([item(value) for value in values])
    if info.shape == "map" and info.item is not None:
        return _map(number, info.item)
    return _single(number, info)


def _map(number: int, item: TypeInfo) -> Encode:
    """A map is a list of messages with a key and a value."""
    tag, of_value = varint(number << 3 | 2), _single(2, item)

    def encode(values: Mapping[str, Any]) -> bytes:
        pieces: list[bytes] = []
        for key, value in values.items():
            name = key.encode()
            entry = b"\x0a" + varint(len(name)) + name + of_value(value)
            pieces += (tag, varint(len(entry)), entry)
        return b"".join(pieces)

    return encode


def _single(number: int, info: TypeInfo) -> Encode:
    """Returns a function from one value to a field with its tag."""
    if info.shape in ("int", "bool"):
        tag = varint(number << 3)
        return lambda value: tag + varint(int(value))
    if info.shape == "float":
        tag = varint(number << 3 | 1)
        return lambda value: tag + struct.pack("<d", value)
    tag, payload = varint(number << 3 | 2), _payload(info)

    def encode(value: Any) -> bytes:
        data = payload(value)
        size = len(data)
        return tag + (_SMALL[size] if size < 128 else varint(size)) + data

    return encode


def _payload(info: TypeInfo) -> Encode:
    """Returns a function from a value to the content of a length-delimited field."""
    match info.shape:
        case "struct" if info.schema is not None:
            form = info.marker(Alternative)
            return _alternative(info, form) if form is not None else encoder_of(info.schema) or _nothing
        case "string":
            return _TEXTS.get(info.format, str.encode)
        case "bytes":
            return base64.b64decode
        case "quantity":
            return _quantity
        case "int-or-string":
            return _int_or_string
        case "list" if info.item is not None:
            return _field(1, info)  # a list within a map is a message with the field `items`
        case _:
            return _raw


def _alternative(info: TypeInfo, form: Alternative) -> Encode:
    """Returns the encoder of a struct that may have another form: a message with a field for each form."""
    assert info.schema is not None
    of_struct = encoder_of(info.schema) or _nothing

    def encode(value: Any) -> bytes:
        if isinstance(value, bool):
            return varint(form.other_number << 3) + varint(int(value))
        if isinstance(value, list):
            return b"".join(delimited(form.other_number, of_struct(one)) for one in value)
        allows = varint(form.other_number << 3) + b"\x01" if form.other is bool else b""
        return allows + delimited(form.struct_number, of_struct(value))

    return encode


def _nothing(_: Any) -> bytes:
    return b""


def _quantity(value: Any) -> bytes:
    return delimited(1, str(value).encode())


def _int_or_string(value: Any) -> bytes:
    return b"\x08\x01" + delimited(3, value.encode()) if isinstance(value, str) else b"\x08\x00\x10" + varint(value)


def _raw(value: Any) -> bytes:
    """`RawExtension`, `FieldsV1` and `JSON`: messages with JSON in their only field."""
    return delimited(1, _json(value))


@functools.lru_cache(maxsize=4096)
def _time(text: str) -> bytes:
    """`Timestamp`: seconds and nanoseconds. Cached, because objects that were made together share their times."""
    since = datetime.fromisoformat(text) - _EPOCH
    seconds = b"\x08" + varint(since.days * 86400 + since.seconds)
    return seconds + b"\x10" + varint(since.microseconds * 1000) if since.microseconds else seconds


def _duration(text: str) -> bytes:
    return b"\x08" + varint(parse_duration(text))


_TEXTS: dict[str, Encode] = {
    "byte": base64.b64decode,
    "date-time": _time,
    "date-time-micro": _time,
    "duration": _duration,
}
