"""What goes over the fabric and to the kernel, as bytes.

A node speaks for an address by having it on its leg, so that its kernel answers ARP (and ping) by itself. The address
has a lifetime that the agent prolongs: where an agent hangs, its kernel takes the address back without being asked.
Rejected: a proxy entry in the neighbour table. The kernel answers for one only where it would route the address out of
another link, it waits up to 0.8 s before it does, and an entry outlives its agent.

Nodes hear of each other by frames of an EtherType for local experiments, not by IP: pods are routed, so none can send
one.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from fairlead.net.netlink.model import Message

ETHERTYPE = 0x88B5
"""IEEE 802, local experimental EtherType 1."""
ARP = 0x0806
BROADCAST = b"\xff" * 6
LONGEST_NAME = 253

_NEWADDR, _DELADDR = 20, 21
_CREATE, _REPLACE = 0x400, 0x100
_AF_INET, _SCOPE_LINK = 2, 253
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO = 1, 2, 6
_GREETING = b"fairlead\x01"
_ARP_HEAD = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)


def hold_address(link: int, address: IPv4Address, lifetime_s: int) -> Message:
    """Adds it, or prolongs it. Of link scope, so that nothing picks it as its own address for connections."""
    lifetime = struct.pack("=IIII", lifetime_s, lifetime_s, 0, 0)
    body = _address(link, address) + _attribute(_IFA_CACHEINFO, lifetime)
    return Message(_NEWADDR, _CREATE | _REPLACE, body, f"hold address {address} on link {link}")


def drop_address(link: int, address: IPv4Address) -> Message:
    return Message(_DELADDR, 0, _address(link, address), f"drop address {address} from link {link}")


def gratuitous_arp(mac: bytes, address: IPv4Address) -> bytes:
    """Tells everybody on the link where the address is (RFC 5227, an ARP announcement)."""
    ip = address.packed
    return BROADCAST + mac + struct.pack("!H", ARP) + _ARP_HEAD + mac + ip + bytes(6) + ip


def heartbeat(mac: bytes, node: str) -> bytes:
    name = node.encode()
    return BROADCAST + mac + struct.pack("!H", ETHERTYPE) + _GREETING + bytes([len(name)]) + name


def parse_heartbeat(frame: bytes) -> str:
    """The node's name; empty for a frame that is none of ours."""
    head = 14 + len(_GREETING)
    if len(frame) <= head or frame[14:head] != _GREETING:
        return ""
    name = frame[head + 1 : head + 1 + frame[head]]
    return name.decode(errors="replace") if len(name) == frame[head] else ""


def _address(link: int, address: IPv4Address) -> bytes:
    head = struct.pack("=BBBBI", _AF_INET, 32, 0, _SCOPE_LINK, link)
    return head + _attribute(_IFA_LOCAL, address.packed) + _attribute(_IFA_ADDRESS, address.packed)


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)
