"""Connection tracking entries of any protocol, both directions, decoded from ctnetlink dumps. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}
_NAMES = {number: name for name, number in PROTOCOLS.items()}
_FAMILIES = {"ip": 2, "ip6": 10}
_GET = 0x0101
_REQUEST, _DUMP = 1, 0x300
_ERROR, _DONE = 2, 3
_ORIG, _REPLY = 1, 2
_STATUS, _COUNTERS_ORIG, _COUNTERS_REPLY = 3, 9, 10
_KIND = 0x3FFF
_SEEN_REPLY = 1 << 1


class Entry(NamedTuple):
    """A connection: the first packet as its sender wrote it, and the packets that answer it."""

    protocol: str
    source: str
    source_port: int
    target: str
    target_port: int
    reply_source: str
    """The endpoint: the destination after a translation."""
    reply_source_port: int
    reply_target: str
    """The address by which the endpoint knows the sender."""
    reply_target_port: int
    answered: bool = False
    packets: int = 0
    """Packets of both directions; 0 if the kernel does not count (net.netfilter.nf_conntrack_acct)."""

    @property
    def translated(self) -> bool:
        return (self.source, self.target, self.target_port) != (
            self.reply_target,
            self.reply_source,
            self.reply_source_port,
        )


class EndOfEntries(Exception):
    """The end of a dump; the argument is an errno or 0."""


def request(seq: int, family: str = "ip") -> bytes:
    """Returns the request for all entries of a family."""
    return struct.pack("=IHHIIBBH", 20, _GET, _REQUEST | _DUMP, seq, 0, _FAMILIES[family], 0, 0)


def decode(data: bytes) -> Iterator[Entry]:
    """Yields the entries in one datagram of a dump. Raises EndOfEntries after the last one."""
    offset = 0
    while offset + 16 <= len(data):
        size, kind = struct.unpack_from("=IH", data, offset)
        if kind == _DONE:
            raise EndOfEntries(0)
        if kind == _ERROR:
            raise EndOfEntries(-struct.unpack_from("=i", data, offset + 16)[0])
        entry = _entry(data[offset + 20 : offset + size])
        if entry is not None:
            yield entry
        offset += (size + 3) & ~3


def _entry(data: bytes) -> Entry | None:
    parts = _attributes(data)
    there, back = _tuple(parts.get(_ORIG, b"")), _tuple(parts.get(_REPLY, b""))
    if there is None or back is None:
        return None
    status = int.from_bytes(parts.get(_STATUS, b"\0\0\0\0"))
    packets = sum(_count(parts.get(kind, b"")) for kind in (_COUNTERS_ORIG, _COUNTERS_REPLY))
    protocol, source, target, source_port, target_port = there
    _, reply_source, reply_target, reply_source_port, reply_target_port = back
    return Entry(
        _NAMES.get(protocol, str(protocol)),
        source,
        source_port,
        target,
        target_port,
        reply_source,
        reply_source_port,
        reply_target,
        reply_target_port,
        bool(status & _SEEN_REPLY),
        packets,
    )


def _tuple(data: bytes) -> tuple[int, str, str, int, int] | None:
    """Returns protocol, source, target and their ports."""
    parts = _attributes(data)
    addresses, ports = _attributes(parts.get(1, b"")), _attributes(parts.get(2, b""))
    # Attributes 1 and 2 are IPv4 addresses, 3 and 4 are IPv6 addresses.
    raw = [addresses.get(kind) or addresses.get(kind + 2) for kind in (1, 2)]
    if not all(raw) or 1 not in ports:
        return None
    source, target = (_address(one) for one in raw if one)
    numbers = (int.from_bytes(ports.get(kind, b"\0\0")) for kind in (2, 3))
    return ports[1][0], source, target, *numbers  # type: ignore[return-value]


def _address(raw: bytes) -> str:
    return str(ip_address(raw))


def _count(data: bytes) -> int:
    return int.from_bytes(_attributes(data).get(1, b""))


def _attributes(data: bytes) -> Mapping[int, bytes]:
    found, offset = {}, 0
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, offset)
        if size < 4:
            break
        found[kind & _KIND] = data[offset + 4 : offset + size]
        offset += (size + 3) & ~3
    return found
