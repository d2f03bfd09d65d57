"""Decodes bodies in protobuf, because Go clients (and `kubectl create namespace`, `create token`, ...) send them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from fairlead.apiserver.serialization.protobuf import MAGIC
from fairlead.apiserver.serialization.protobuf.numbers import Message, table_of
from fairlead.base.duration import render_duration
from fairlead.base.instant import Instant, render_micro_time, render_time
from fairlead.machinery.schemas.markers import Alternative
from fairlead.machinery.schemas.schema import Schema, TypeInfo
from fairlead.machinery.values.status import StatusError, bad_request

_SIGN = 1 << 63


def parse_protobuf(body: bytes, schema: Schema) -> dict[str, Any]:
    """Returns the object in the body as a JSON tree; its kind must have a Python type. Raises StatusError 400."""
    try:
        if not body.startswith(MAGIC):
            raise ValueError("missing magic number")
        envelope = dict(_wire(body[len(MAGIC) :]))
        tree = _message(schema, envelope.get(2, b""))
        for number, value in _wire(envelope.get(1, b"")):
            tree[{1: "apiVersion", 2: "kind"}[number]] = value.decode()
    except (
        ValueError,
        struct.error,
        KeyError,
        IndexError,
        AttributeError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as e:
        raise _malformed(str(e)) from e
    return tree


def envelope_gvk(body: bytes) -> tuple[str, str, str]:
    """Returns group, version and kind of the object in the body. Raises ValueError."""
    if not body.startswith(MAGIC):
        raise ValueError("missing magic number")
    try:
        head = dict(_wire(dict(_wire(body[len(MAGIC) :])).get(1, b"")))
        group, _, version = head.get(1, b"").decode().rpartition("/")
        return group, version, head.get(2, b"").decode()
    except (KeyError, IndexError, AttributeError, TypeError) as e:
        raise ValueError(str(e)) from e


def _message(schema: Schema, data: bytes) -> dict[str, Any]:
    table = table_of(schema)
    if table is None:
        raise ValueError(f"{schema.name} cannot be read as protobuf")
    tree: dict[str, Any] = {}
    _fill(tree, schema, table, data)
    return tree


def _fill(tree: dict[str, Any], schema: Schema, table: Message, data: bytes) -> None:
    fields = schema.fields
    for number, value in _wire(data):
        if number in table.inline:
            _fill(tree, schema, table.inline[number], value)
            continue
        name = table.fields.get(number)
        if name is not None and name in fields:
            _put(tree, name, fields[name].type, value)


def _put(tree: dict[str, Any], name: str, info: TypeInfo, value: Any) -> None:
    if info.shape == "list" and info.item is not None:
        packed = info.item.shape in ("int", "bool") and isinstance(value, bytes)
        values = _varints(value) if packed else (value,)
        tree.setdefault(name, []).extend(_value(info.item, one) for one in values)
    elif info.shape == "map" and info.item is not None:
        pair = dict(_wire(value))
        absent = 0 if info.item.shape in ("int", "bool") else b""
        tree.setdefault(name, {})[pair.get(1, b"").decode()] = _value(info.item, pair.get(2, absent))
    else:
        decoded = _value(info, value)
        if decoded is not None:
            tree[name] = decoded


def _value(info: TypeInfo, value: Any) -> Any:
    match info.shape:
        case "struct" if info.schema is not None:
            form = info.marker(Alternative)
            return _message(info.schema, value) if form is None else _alternative(info, form, value)
        case "string":
            return _text(info.format, value)
        case "bool":
            return bool(value)
        case "int":
            return _signed(value)
        case "float":
            return struct.unpack("<d", value)[0]
        case "bytes":
            return base64.b64encode(value).decode()
        case "quantity":
            return dict(_wire(value)).get(1, b"0").decode()
        case "int-or-string":
            parts = dict(_wire(value))
            return parts.get(3, b"").decode() if parts.get(1) else _signed(parts.get(2, 0))
        case "list" if info.item is not None:
            return [_value(info.item, item) for _, item in _wire(value)]
        case _:
            raw = dict(_wire(value)).get(1)
            return msgspec.json.decode(raw) if raw else None


def _alternative(info: TypeInfo, form: Alternative, value: bytes) -> Any:
    """Returns a struct, or the other form that it may have."""
    assert info.schema is not None
    other: Any = [] if form.other is list else False
    for number, one in _wire(value):
        if number == form.struct_number:
            return _message(info.schema, one)
        other = [*other, _message(info.schema, one)] if form.other is list else bool(one)
    return other


def _text(format: str, value: bytes) -> str | None:
    if format == "byte":
        return base64.b64encode(value).decode()
    if format == "duration":
        return render_duration(_signed(dict(_wire(value)).get(1, 0)))
    return _time(format, value) if format.startswith("date-time") else value.decode()


def _time(format: str, value: bytes) -> str | None:
    parts = dict(_wire(value))
    if not parts:
        return None
    seconds, nanos = _signed(parts.get(1, 0)), parts.get(2, 0)
    render = render_micro_time if format == "date-time-micro" else render_time
    return render(Instant(seconds + nanos / 1e9))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= _SIGN else value


def _wire(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yields the fields of a message in order: the number, and an int or the bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire_type == 2:
            length, at = _varint(data, at)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"unsupported wire type {wire_type}")
        if at + length > len(data):
            raise ValueError("unexpected end")
        yield number, data[at : at + length]
        at += length


def _varints(data: bytes) -> Iterator[int]:
    """Yields the numbers of a packed list."""
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise ValueError("varint longer than 64 bits")


def _malformed(why: str) -> StatusError:
    return bad_request(f"the object provided is unrecognized (must be of type protobuf): {why}")
