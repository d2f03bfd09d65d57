"""The state of a network namespace: requests for routes, addresses and links, and their answers (linux/rtnetlink.h). No
I/O."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from fairlead.base.dataclass import dataclass

Network = IPv4Network | IPv6Network

GET_ADDRESSES, GET_ROUTES = 22, 26
_NEWLINK, _GETLINK, _NEWADDR, _NEWROUTE, _GETROUTE, _DONE, _ERROR = 16, 18, 20, 24, 26, 3, 2
_REQUEST, _DUMP, _INTERRUPTED = 1, 0x300, 0x10
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF = 1, 4
_RTM_F_CLONED = 0x200
_IFF_RUNNING = 0x40
_LOCAL = 2
_LEADING = frozenset({1, 6, 7, 8})
"""The types of routes that forward or reject packets: unicast, blackhole, unreachable, prohibit. The others (local,
broadcast, multicast) follow from addresses."""


@dataclass(frozen=True, slots=True)
class Route:
    destination: Network
    link: int
    """0 if the route has no link, or several."""


@dataclass(frozen=True, slots=True)
class LinkAddress:
    """An address of a link, with the range that is reached on that link."""

    network: Network
    address: IPv4Address | IPv6Address
    link: int


def request(kind: int, seq: int) -> bytes:
    """Returns a request for all objects of a kind, of both families."""
    return struct.pack("=IHHIIB3x", 20, kind, _REQUEST | _DUMP, seq, 0, 0)


def request_link(index: int, seq: int) -> bytes:
    """Returns a request for one link."""
    return struct.pack("=IHHIIBxHiII", 32, _GETLINK, _REQUEST, seq, 0, 0, 0, index, 0, 0)


def is_running(kind: int, body: bytes) -> bool:
    """Returns True if the answer is a link that may send: `IFF_RUNNING`, its operational state is up (RFC 2863)."""
    return kind == _NEWLINK and bool(struct.unpack_from("=I", body, 8)[0] & _IFF_RUNNING)


def request_route(address: IPv6Address, link: int, seq: int) -> bytes:
    """Returns a request for the route that a packet to this address takes by this link."""
    return struct.pack(
        "=IHHIIBBBBBBBBIHH16sHHI",
        56, _GETROUTE, _REQUEST, seq, 0, 10, 128, 0, 0, 0, 0, 0, 0, 0, 20, _RTA_DST, address.packed, 8, _RTA_OIF, link,
    )  # fmt: skip


def is_local(kind: int, body: bytes) -> bool:
    """Returns True if the answer is a route to a local address (`RTN_LOCAL`)."""
    return kind == _NEWROUTE and body[7] == _LOCAL


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields type and body of each message."""
    offset = 0
    while offset + 16 <= len(data):
        size, kind = struct.unpack_from("=IH", data, offset)
        yield kind, data[offset + 16 : offset + size]
        offset += max((size + 3) & ~3, 16)


def is_interrupted(data: bytes) -> bool:
    """Returns True if the kernel has marked a message of the datagram with `NLM_F_DUMP_INTR`: objects were changed
    during the dump."""
    offset = 0
    while offset + 16 <= len(data):
        size, flags = struct.unpack_from("=I2xH", data, offset)
        if flags & _INTERRUPTED:
            return True
        offset += max((size + 3) & ~3, 16)
    return False


def is_last(kind: int) -> bool:
    return kind in (_DONE, _ERROR)


def parse_route(kind: int, body: bytes) -> Route | None:
    """Parses a route; returns None for cached routes, other messages, and types of routes that follow from
    addresses."""
    if kind != _NEWROUTE:
        return None
    family, prefix, type_, flags = struct.unpack_from("=BB5xBI", body)
    if family not in (2, 10) or type_ not in _LEADING or flags & _RTM_F_CLONED:
        return None
    attributes = dict(_attributes(body[12:]))
    destination = attributes.get(_RTA_DST, bytes(4 if family == 2 else 16))
    return Route(_network(destination, prefix), int.from_bytes(attributes.get(_RTA_OIF, b""), "little"))


def parse_address(kind: int, body: bytes) -> LinkAddress | None:
    if kind != _NEWADDR:
        return None
    family, prefix, link = struct.unpack_from("=BB2xI", body)
    attributes = dict(_attributes(body[8:]))
    peer = attributes.get(_IFA_ADDRESS, attributes.get(_IFA_LOCAL))
    if family not in (2, 10) or peer is None:
        return None
    network = _network(peer, prefix)
    own = attributes.get(_IFA_LOCAL, peer)
    return LinkAddress(network, IPv4Address(own) if family == 2 else IPv6Address(own), link)


def _network(packed: bytes, prefix: int) -> Network:
    make = IPv4Network if len(packed) == 4 else IPv6Network
    return make((packed, prefix), strict=False)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, offset)
        yield kind & 0x3FFF, data[offset + 4 : offset + size]
        offset += max((size + 3) & ~3, 4)
