"""The two messages of grpc.health.v1.Health/Check, framed as gRPC does. Pure.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_STATUS = 1 << 3
"""The tag of field 1 as a varint."""
_FRAME = 5
"""The bytes before a message: one for the compression flag, four for its length."""


class MessageError(ValueError):
    """The bytes are not a HealthCheckResponse."""


def render_request(service: str) -> bytes:
    """Returns a HealthCheckRequest with its frame."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def parse_status(data: bytes) -> str:
    """Returns the serving status of a HealthCheckResponse with its frame. Raises MessageError."""
    if len(data) < _FRAME or len(data) - _FRAME != int.from_bytes(data[1:_FRAME], "big"):
        raise MessageError("the response is not exactly one complete message")
    if data[0]:
        raise MessageError("the response is compressed")
    number = 0
    for tag, value in _fields(data[_FRAME:]):
        if tag == _STATUS:
            number = value
    return _STATUSES[number] if number < len(_STATUSES) else str(number)


def _fields(message: bytes) -> Iterator[tuple[int, int]]:
    """Yields each field's tag, and its value if that is a varint."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        value = 0
        match tag & 7:
            case 0:
                value, at = _read_varint(message, at)
            case 1:
                at += 8
            case 2:
                length, at = _read_varint(message, at)
                at += length
            case 5:
                at += 4
            case kind:
                raise MessageError(f"the response has a field of the unknown wire type {kind}")
        if at > len(message):
            raise MessageError("the response ends within a field")
        yield tag, value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise MessageError("the response has a broken number")
