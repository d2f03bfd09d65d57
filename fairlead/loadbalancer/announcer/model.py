"""Renders frames for the fabric and netlink messages for the kernel, as bytes.

A node announces an address by adding it to its link, so that its kernel answers ARP (and ping). The address has a
lifetime that the agent prolongs: if an agent hangs, the kernel removes the address.
Rejected: a proxy entry in the neighbour table. The kernel answers for such an entry only if it would route the
address out of another link, it waits up to 0.8 s before it answers, and an entry outlives its agent.

Nodes call each other by frames of an EtherType for local experiments, not by IP: pods are routed, so no pod can
send such a frame. On the machines' network every machine can, as it can answer ARP.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from fairlead.base.dataclass import dataclass
from fairlead.net.netlink.model import Message

ETHERTYPE = 0x88B5
"""IEEE 802, local experimental EtherType 1."""
ARP, IPV6 = 0x0806, 0x86DD
BROADCAST = b"\xff" * 6
_ALL_NODES = b"\x33\x33\0\0\0\x01"
_ALL_NODES_IP = IPv6Address("ff02::1").packed

_NEWADDR, _DELADDR = 20, 21
_CREATE, _REPLACE = 0x400, 0x100
_AF = {4: 2, 6: 10}
_SCOPE_LINK, _SCOPE_GLOBAL = 253, 0
_IFA_NODAD = 2
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO = 1, 2, 6
_GREETING = b"fairlead\x01"
_ARP_HEAD = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
_ICMPV6, _ADVERTISEMENT, _OVERRIDE, _TARGET_LINK = 58, 136, 0x20000000, 2
_HOPS = 255
"""Hop limit of neighbour discovery: receivers ignore any other (RFC 4861, section 7.1.2)."""

Address = IPv4Address | IPv6Address


def add_address(link: int, address: Address, lifetime_s: int) -> Message:
    """Adds an address or prolongs its lifetime. It has link scope, or in IPv6 is deprecated from the start (RFC
    4862, section 5.5.4), so that it is never chosen as a source address."""
    preferred_s = lifetime_s if address.version == 4 else 0
    lifetime = struct.pack("=IIII", preferred_s, lifetime_s, 0, 0)
    body = _address(link, address) + _attribute(_IFA_CACHEINFO, lifetime)
    return Message(_NEWADDR, _CREATE | _REPLACE, body, f"add address {address} on link {link}")


def delete_address(link: int, address: Address) -> Message:
    return Message(_DELADDR, 0, _address(link, address), f"delete address {address} from link {link}")


def announcement(mac: bytes, address: Address) -> tuple[int, bytes]:
    """Returns the EtherType and the frame that announces the address to all hosts on the link."""
    if isinstance(address, IPv4Address):
        return ARP, gratuitous_arp(mac, address)
    return IPV6, unsolicited_advertisement(mac, address)


def gratuitous_arp(mac: bytes, address: IPv4Address) -> bytes:
    """Renders an ARP announcement (RFC 5227)."""
    ip = address.packed
    return BROADCAST + mac + struct.pack("!H", ARP) + _ARP_HEAD + mac + ip + bytes(6) + ip


def unsolicited_advertisement(mac: bytes, address: IPv6Address) -> bytes:
    """Renders an advertisement to all nodes (RFC 4861, section 7.2.6): receivers replace an older link address."""
    ip = address.packed
    body = struct.pack("!I", _OVERRIDE) + ip + bytes([_TARGET_LINK, 1]) + mac
    size = 4 + len(body)
    pseudo = ip + _ALL_NODES_IP + struct.pack("!II", size, _ICMPV6)
    message = struct.pack("!BBH", _ADVERTISEMENT, 0, 0) + body
    message = struct.pack("!BBH", _ADVERTISEMENT, 0, _checksum(pseudo + message)) + body
    head = struct.pack("!IHBB", 6 << 28, size, _ICMPV6, _HOPS) + ip + _ALL_NODES_IP
    return _ALL_NODES + mac + struct.pack("!H", IPV6) + head + message


def _checksum(data: bytes) -> int:
    """Returns the checksum of RFC 1071; the data must have an even length."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True, slots=True)
class Call:
    """A node's periodic message to the others. `joins`: the node is present but announces nothing yet."""

    node: str
    joins: bool = False


def heartbeat(mac: bytes, call: Call, group: str = "") -> bytes:
    """Renders a call as a frame. `group` distinguishes clusters on one network."""
    name = f"{group}/{call.node}".encode() if group else call.node.encode()
    head = BROADCAST + mac + struct.pack("!H", ETHERTYPE)
    return head + _GREETING + bytes([len(name)]) + name + bytes([call.joins])


def parse_heartbeat(frame: bytes, group: str = "") -> Call | None:
    """Parses a frame; returns None if it is foreign or of another cluster. Padding of short frames is ignored."""
    head = 14 + len(_GREETING)
    if len(frame) <= head or frame[14:head] != _GREETING:
        return None
    end = head + 1 + frame[head]
    if len(frame) <= end:
        return None
    theirs, _, name = frame[head + 1 : end].decode(errors="replace").rpartition("/")
    return Call(name, joins=bool(frame[end])) if name and theirs == group else None


def _address(link: int, address: Address) -> bytes:
    # An IPv6 address is used at once: no other host on the link has it, and duplicate detection costs a second.
    flags, scope = (0, _SCOPE_LINK) if address.version == 4 else (_IFA_NODAD, _SCOPE_GLOBAL)
    head = struct.pack("=BBBBI", _AF[address.version], address.max_prefixlen, flags, scope, link)
    return head + _attribute(_IFA_LOCAL, address.packed) + _attribute(_IFA_ADDRESS, address.packed)


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)
