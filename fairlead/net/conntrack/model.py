"""Flows, and ctnetlink messages as bytes (linux/netfilter/nfnetlink_conntrack.h)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

UDP = 17

_GET, _DELETE = 0x0101, 0x0102
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_AF_INET = 2
_ERROR, _DONE = 2, 3
_TUPLE_ORIG, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_NESTED = 0x8000
_KIND = 0x3FFF


@dataclass(frozen=True, slots=True)
class Flow:
    """A UDP flow: where its client sent to, and who answers."""

    target: str
    port: int
    answered_by: str
    answered_from: int
    raw: bytes = field(compare=False, repr=False, default=b"")
    """The kernel's own form of what identifies it."""


class EndOfDump(Exception):
    """The kernel has told all; the argument is an errno or 0."""


def dump_request(seq: int) -> bytes:
    return struct.pack("=IHHIIBBH", 20, _GET, _REQUEST | _DUMP, seq, 0, _AF_INET, 0, 0)


def delete_request(flow: Flow, seq: int) -> bytes:
    head = struct.pack("=IHHIIBBH", 20 + len(flow.raw), _DELETE, _REQUEST | _ACK, seq, 0, _AF_INET, 0, 0)
    return head + flow.raw


def decode_ack(data: bytes) -> int:
    """The errno of an acknowledgement, 0 where it is a good one."""
    return -int(struct.unpack_from("=i", data, 16)[0])


def decode_flows(data: bytes) -> Iterator[Flow]:
    """The UDP flows in one datagram of a dump. Raises EndOfDump after the last one."""
    offset = 0
    while offset + 16 <= len(data):
        size, kind = struct.unpack_from("=IH", data, offset)
        if kind == _DONE:
            raise EndOfDump(0)
        if kind == _ERROR:
            raise EndOfDump(-struct.unpack_from("=i", data, offset + 16)[0])
        flow = _decode_flow(data, offset + 20, offset + size)
        if flow is not None:
            yield flow
        offset += (size + 3) & ~3


def _decode_flow(data: bytes, start: int, end: int) -> Flow | None:
    tuples = {kind: (a, b) for kind, a, b in _attributes(data, start, end) if kind in (_TUPLE_ORIG, _TUPLE_REPLY)}
    if len(tuples) != 2:
        return None
    there = _decode_tuple(data, *tuples[_TUPLE_ORIG])
    back = _decode_tuple(data, *tuples[_TUPLE_REPLY])
    if there is None or back is None:
        return None
    first, last = tuples[_TUPLE_ORIG]
    body = data[first:last]
    raw = struct.pack("=HH", 4 + len(body), _TUPLE_ORIG | _NESTED) + body
    return Flow(there[1], there[3], back[0], back[2], raw)


def _decode_tuple(data: bytes, start: int, end: int) -> tuple[str, str, int, int] | None:
    """Source, target and their ports; None where it is not UDP over IPv4."""
    parts = {
        kind: {k: data[a:b] for k, a, b in _attributes(data, s, e)} for kind, s, e in _attributes(data, start, end)
    }
    addresses, ports = parts.get(_TUPLE_IP, {}), parts.get(_TUPLE_PROTO, {})
    if ports.get(1) != bytes([UDP]) or len(addresses.get(1, b"")) != 4:
        return None
    source, target = (str(IPv4Address(addresses[k])) for k in (1, 2))
    return source, target, int.from_bytes(ports[2]), int.from_bytes(ports[3])


def _attributes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each attribute's kind, and where its value starts and ends."""
    offset = start
    while offset + 4 <= end:
        size, kind = struct.unpack_from("=HH", data, offset)
        if size < 4:
            return
        yield kind & _KIND, offset + 4, offset + size
        offset += (size + 3) & ~3
