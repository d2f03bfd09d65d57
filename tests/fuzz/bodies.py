"""Trees as YAML with tags and as protobuf, and bytes as gzip: whole, wrong and damaged."""

from __future__ import annotations

import base64
import gzip
import json
import random
from typing import Any

from fairlead.apiserver.serialization.protobuf.numbers import Message as _Message
from fairlead.apiserver.serialization.protobuf.numbers import table_of as _table_of
from fairlead.machinery.schemas.schema import Schema, TypeInfo

TAGS = (
    *("!!bool", "!!int", "!!float", "!!null", "!!str", "!!timestamp", "!!binary", "!!set", "!!omap", "!!pairs"),
    *("!!map", "!!seq", "!!merge", "!!value", "!!python/name:os.system", "!x", "!", "!<tag:y>"),
)
_BARE = ("foo", "", "1", "1.5", "~", "yes", "2024-01-01", "22:22", ".nan", "-.inf", "0x1F", "08", "<<", "=", "٣", "1_0")


def yaml_text(rng: random.Random, tree: Any) -> str:
    """Returns the tree in flow style; a tenth of its values with a tag that may not fit, or replaced by a bare
    word."""
    text = _flow(rng, tree)
    pick = rng.random()
    if pick < 0.1:
        return f"{rng.choice(TAGS)} {text}"
    return text if pick < 0.95 else f"? {text}\n: {rng.choice(_BARE)}\n"


def _flow(rng: random.Random, tree: Any) -> str:
    if isinstance(tree, dict):
        text = "{" + ", ".join(f"{_key(rng, key)}: {_flow(rng, value)}" for key, value in tree.items()) + "}"
    elif isinstance(tree, list):
        text = "[" + ", ".join(_flow(rng, value) for value in tree) + "]"
    else:
        text = json.dumps(tree) if rng.random() < 0.97 else f"{rng.choice(_BARE)} "
    return f"{rng.choice(TAGS)} {text}" if rng.random() < 0.01 else text


def _key(rng: random.Random, key: str) -> str:
    pick = rng.random()
    if pick < 0.99:
        return json.dumps(key)
    return rng.choice(("<<", "[a]", "{a: b}", "1", "~", "true", f"{rng.choice(TAGS)} a"))


def gzipped(rng: random.Random, body: bytes) -> bytes:
    """Returns the body compressed, most of the time correctly."""
    whole = gzip.compress(body, 1, mtime=0)
    match rng.randrange(6):
        case 0:
            return whole[: rng.randrange(len(whole))]
        case 1:
            return scratched(rng, whole)
        case 2:
            return rng.randbytes(rng.randrange(40))
        case _:
            return whole


def scratched(rng: random.Random, data: bytes) -> bytes:
    """Returns the bytes with a few of them changed, dropped or added."""
    found = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(3):
            case 0 if at < len(found):
                found[at] = rng.randrange(256)
            case 1:
                del found[at : at + rng.randrange(1, 6)]
            case _:
                found[at:at] = rng.randbytes(rng.randrange(1, 6))
    return bytes(found)


def protobuf(schema: Schema, tree: Any, *, api_version: str, kind: str) -> bytes:
    """Returns the tree as Go's clients send it. Leaves out fields without a number and values of another type."""
    head = _field(1, api_version.encode()) + _field(2, kind.encode())
    return b"k8s\0" + _field(1, head) + _field(2, _message(schema, tree))


def _message(schema: Schema, tree: Any) -> bytes:
    table = _table_of(schema)
    return _fields(schema, tree, table) if table is not None and isinstance(tree, dict) else b""


def _fields(schema: Schema, tree: dict[str, Any], table: _Message) -> bytes:
    known, found = schema.fields, b""
    for number, inner in table.inline.items():
        found += _field(number, _fields(schema, tree, inner))
    for number, name in table.fields.items():
        if name in known and tree.get(name) is not None:
            found += _value(number, known[name].type, tree[name])
    return found


def _value(number: int, info: TypeInfo, value: Any) -> bytes:
    match info.shape, value:
        case "list", list() if info.item is not None:
            return b"".join(_value(number, info.item, one) for one in value)
        case "map", dict() if info.item is not None:
            pairs = ((key, _value(2, info.item, one)) for key, one in value.items())
            return b"".join(_field(number, _field(1, _bytes(key)) + rest) for key, rest in pairs)
        case "struct", dict() if info.schema is not None:
            return _field(number, _message(info.schema, value))
        case (("bool" | "int"), int()):
            return _varint(number << 3) + _varint(value & (1 << 64) - 1)
        case "quantity", _:
            return _field(number, _field(1, _bytes(value)))
        case "int-or-string", int():
            return _field(number, _varint(2 << 3) + _varint(value & (1 << 64) - 1))
        case "int-or-string", str():
            return _field(number, _varint(1 << 3) + _varint(1) + _field(3, _bytes(value)))
        case "string", str():
            return _field(number, _string(info.format, value))
        case _:
            return b""


def _string(format: str, value: str) -> bytes:
    if format == "byte":
        return base64.b64encode(_bytes(value))
    if format.startswith("date-time"):
        return _varint(1 << 3) + _varint(len(value) << 33) + _varint(2 << 3) + _varint(len(value))
    return _bytes(value)


def _bytes(value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
