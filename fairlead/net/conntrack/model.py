"""Flow entries, and ctnetlink messages as bytes (linux/netfilter/nfnetlink_conntrack.h). UDP only, in either family."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from fairlead.base.dataclass import dataclass, field

UDP = 17

_GET, _DELETE = 0x0101, 0x0102
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_FAMILIES = {"ip": 2, "ip6": 10}
_ERROR, _DONE = 2, 3
_TUPLE_ORIG, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_FILTER, _FILTER_ORIG = 25, 1
_FILTER_PROTOCOL = 1 << 3
"""Linux 5.8; older kernels ignore the filter and list the flows of all protocols."""
_NESTED = 0x8000
_KIND = 0x3FFF


@dataclass(frozen=True, slots=True)
class Flow:
    """A UDP flow: its original destination, and the source of its answers."""

    target: str
    port: int
    answered_by: str
    answered_from: int
    raw: bytes = field(compare=False, repr=False, default=b"")
    """The attributes that identify the entry, as the kernel sent them."""


class FlowTable(Protocol):
    """The flow entries of one network namespace. All methods raise KernelError."""

    def flows(self, family: str = "ip") -> list[Flow]:
        """Returns the UDP flows."""
        ...

    def delete_flows(self, flows: Iterable[Flow]) -> int:
        """Deletes the entries, so that rules apply to their next packets again; returns how many still existed."""
        ...


class EndOfDump(Exception):
    """The end of a dump; the argument is an errno or 0."""


def dump_request(seq: int, family: str = "ip") -> bytes:
    """Returns a request for the UDP flows only: there may be many TCP flows, and each takes 10 µs to read."""
    protocol = _attribute(_TUPLE_PROTO | _NESTED, _attribute(1, bytes([UDP])))
    filter_ = _attribute(_FILTER_ORIG, struct.pack("=I", _FILTER_PROTOCOL))
    body = _attribute(_TUPLE_ORIG | _NESTED, protocol) + _attribute(_FILTER | _NESTED, filter_)
    return _head(len(body), _GET, _REQUEST | _DUMP, seq, _FAMILIES[family]) + body


def delete_request(flow: Flow, seq: int) -> bytes:
    family = _FAMILIES["ip6" if ":" in flow.target else "ip"]
    return _head(len(flow.raw), _DELETE, _REQUEST | _ACK, seq, family) + flow.raw


def _head(room: int, kind: int, flags: int, seq: int, family: int) -> bytes:
    return struct.pack("=IHHIIBBH", 20 + room, kind, flags, seq, 0, family, 0, 0)


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)


def decode_ack(data: bytes) -> int:
    """Returns the errno of an acknowledgement, 0 for success."""
    return -int(struct.unpack_from("=i", data, 16)[0])


def decode_flows(data: bytes) -> Iterator[Flow]:
    """Yields the UDP flows in one datagram of a dump. Raises EndOfDump after the last one."""
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
    """Returns source, target and their ports; None if the tuple is not UDP."""
    parts = {
        kind: {k: data[a:b] for k, a, b in _attributes(data, s, e)} for kind, s, e in _attributes(data, start, end)
    }
    addresses, ports = parts.get(_TUPLE_IP, {}), parts.get(_TUPLE_PROTO, {})
    if ports.get(1) != bytes([UDP]) or not addresses:
        return None
    # Attributes 1 and 2 are IPv4 addresses, 3 and 4 are IPv6 addresses.
    source, target = (
        str(IPv4Address(addresses[k]) if k in addresses else IPv6Address(addresses[k + 2])) for k in (1, 2)
    )
    return source, target, int.from_bytes(ports[2]), int.from_bytes(ports[3])


def _attributes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yields each attribute's type, and the start and end of its value."""
    offset = start
    while offset + 4 <= end:
        size, kind = struct.unpack_from("=HH", data, offset)
        if size < 4:
            return
        yield kind & _KIND, offset + 4, offset + size
        offset += (size + 3) & ~3
