"""Decodes bodies in protobuf, because Go clients (and `kubectl create namespace`, `create token`, ...) send them.

Decoding only: every such client also accepts JSON responses. The message becomes the JSON tree of the same object, by
our own types and their field numbers; the tree is then handled like any other. Wire format: protobuf.dev "Encoding";
the envelope (`k8s\\0` and `runtime.Unknown`) is upstream's.

The field numbers are facts of the wire, as any client sends them. They stand in `protobuf.toml` beside the types of
each folder below `fairlead/api`: the type's name, then field=number. `3(a=1 b=2)` is a message that JSON inlines: its
fields belong to the type itself. Fields newer than Kubernetes 1.32 are missing, because their numbers were not known
when the tables were written; in a protobuf body they are dropped, in JSON they are read.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fairlead.base.instant import Instant, render_micro_time, render_time
from fairlead.machinery.schemas.schema import Schema, TypeInfo
from fairlead.machinery.values.status import StatusError, bad_request

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_TOKEN = re.compile(r"(\w+)=(\d+)|(\d+)\(|\)")
_SIGN = 1 << 63


@dataclass(frozen=True, slots=True)
class _Message:
    """The fields of a message by number."""

    fields: dict[int, str]
    inline: dict[int, _Message]


def parse_protobuf(body: bytes, schema: Schema) -> dict[str, Any]:
    """Returns the object in the body as a JSON tree; its kind must have a Python type. Raises StatusError 400."""
    try:
        if not body.startswith(_MAGIC):
            raise ValueError("missing magic number")
        envelope = dict(_wire(body[len(_MAGIC) :]))
        tree = _message(schema, envelope.get(2, b""))
        for number, value in _wire(envelope.get(1, b"")):
            tree[{1: "apiVersion", 2: "kind"}[number]] = value.decode()
    except (ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError, RecursionError) as e:
        raise _malformed(str(e)) from e
    return tree


def _message(schema: Schema, data: bytes) -> dict[str, Any]:
    table = _table_of(schema)
    if table is None:
        raise ValueError(f"{schema.name} cannot be read as protobuf")
    tree: dict[str, Any] = {}
    _fill(tree, schema, table, data)
    return tree


def _fill(tree: dict[str, Any], schema: Schema, table: _Message, data: bytes) -> None:
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
        tree.setdefault(name, []).append(_value(info.item, value))
    elif info.shape == "map" and info.item is not None:
        pair = dict(_wire(value))
        tree.setdefault(name, {})[pair.get(1, b"").decode()] = _value(info.item, pair.get(2, b""))
    else:
        decoded = _value(info, value)
        if decoded is not None:
            tree[name] = decoded


def _value(info: TypeInfo, value: Any) -> Any:
    match info.shape:
        case "struct" if info.schema is not None:
            return _message(info.schema, value)
        case "string":
            return _text(info.format, value)
        case "bool":
            return bool(value)
        case "int":
            return _signed(value)
        case "quantity":
            return dict(_wire(value)).get(1, b"0").decode()
        case "int-or-string":
            parts = dict(_wire(value))
            return parts.get(3, b"").decode() if parts.get(1) else _signed(parts.get(2, 0))
        case "list" if info.item is not None:
            return [_value(info.item, item) for _, item in _wire(value)]
        case _:
            return None


def _text(format: str, value: bytes) -> str | None:
    if format == "byte":
        return base64.b64encode(value).decode()
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


def _table_of(schema: Schema) -> _Message | None:
    """Returns the field numbers of a schema's fields; None if they are not known."""
    if schema.source is None:
        return None
    return _tables(schema.source.__module__.rpartition(".")[0]).get(schema.name)


@functools.cache
def _tables(package: str) -> dict[str, _Message]:
    """Returns the field numbers of the types in a package's folder."""
    import importlib.resources  # slow to import, and a cluster may never receive a protobuf body
    import tomllib

    path = importlib.resources.files(package).joinpath("protobuf.toml")
    text = path.read_text(encoding="ascii") if path.is_file() else ""
    return {name: _parse(row) for name, row in tomllib.loads(text).items()}


def _parse(row: str) -> _Message:
    """Parses one row of the table."""
    open_messages = [_Message({}, {})]
    for match in _TOKEN.finditer(row):
        field, number, inline = match.groups()
        if field:
            open_messages[-1].fields[int(number)] = field
        elif inline:
            inner = _Message({}, {})
            open_messages[-1].inline[int(inline)] = inner
            open_messages.append(inner)
        else:
            open_messages.pop()
    return open_messages[0]


def _malformed(why: str) -> StatusError:
    return bad_request(f"the object provided is unrecognized (must be of type protobuf): {why}")
