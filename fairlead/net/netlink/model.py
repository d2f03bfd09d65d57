"""rtnetlink messages as values, and the kernel's answers (linux/rtnetlink.h, linux/if_link.h).

No I/O: constants are written as numbers, since importing `socket` for them would tie plans to it. Links that Fairlead
makes carry an index chosen by it, so that one batch can make a link and give it addresses without asking in between.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from fairlead.base.dataclass import dataclass

LOOPBACK = 1
"""The index of `lo` in every network namespace."""

_ERROR = 2
_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE = 16, 17, 20, 24
_REQUEST, _ACK, _REPLACE, _EXCL, _CREATE = 1, 4, 0x100, 0x200, 0x400
_NESTED = 0x8000
_IFF_UP = 1
_AF_INET = 2
_AF = {4: 2, 6: 10}
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_NET_NS_FD = 3, 10, 18, 26, 28
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFA_NODAD, _IFA_PERMANENT = 0x02, 0x80
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC = 1, 4, 5, 7
_RT_TABLE_MAIN, _RTPROT_STATIC, _RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK, _RTN_UNICAST = 254, 4, 0, 253, 1
_RT_TABLE_LOCAL, _RTN_LOCAL, _RT_SCOPE_HOST = 255, 2, 254
_RTNH_F_ONLINK = 4
_IFLA_INET_CONF = 1
_CONF_FORWARDING, _CONF_ACCEPT_REDIRECTS, _CONF_SEND_REDIRECTS, _CONF_RP_FILTER, _CONF_ROUTE_LOCALNET = 1, 4, 6, 8, 26
_ACK_CAPPED, _ACK_TLVS = 0x100, 0x200
_ERR_ATTR_TEXT = 1


@dataclass(frozen=True, slots=True)
class Message:
    type: int
    flags: int
    body: bytes
    what: str
    """The action in words, for the error."""


@dataclass(frozen=True, slots=True)
class Ack:
    seq: int
    errno: int
    text: str
    """The kernel's own explanation, often empty."""


def _attr(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)


def _u32(kind: int, value: int) -> bytes:
    return _attr(kind, struct.pack("=I", value))


def _text(kind: int, value: str) -> bytes:
    return _attr(kind, value.encode() + b"\0")


def _ifinfo(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, flags, change)


def set_up(index: int) -> Message:
    return Message(_NEWLINK, 0, _ifinfo(index, _IFF_UP, _IFF_UP), f"set link {index} up")


def add_bridge(name: str, index: int) -> Message:
    body = _ifinfo(index, _IFF_UP, _IFF_UP) + _text(_IFLA_IFNAME, name) + _attr(_IFLA_LINKINFO, _text(1, "bridge"))
    return Message(_NEWLINK, _CREATE | _EXCL, body, f"add bridge {name}")


def add_veth(
    name: str, index: int, *, peer_name: str, peer_index: int, peer_netns: int, master: int | None = None
) -> Message:
    """Makes a veth pair: this end is up, the other end is in the namespace of the file descriptor `peer_netns` and down
    (setting it up from here is refused with ENOTCONN)."""
    peer = _ifinfo(peer_index) + _text(_IFLA_IFNAME, peer_name) + _u32(_IFLA_NET_NS_FD, peer_netns)
    info = _text(1, "veth") + _attr(2, _attr(1, peer))
    body = _ifinfo(index, _IFF_UP, _IFF_UP) + _text(_IFLA_IFNAME, name) + _attr(_IFLA_LINKINFO, info)
    if master is not None:
        body += _u32(_IFLA_MASTER, master)
    return Message(_NEWLINK, _CREATE | _EXCL, body, f"add veth {name}")


def delete_link(name: str = "", index: int = 0) -> Message:
    """Deletes a link by name or by index. Blocks its caller for some 30 ms: prefer closing the namespace of the other
    end."""
    body = _ifinfo(index) + (_text(_IFLA_IFNAME, name) if name else b"")
    return Message(_DELLINK, 0, body, f"delete link {name or index}")


def set_routing(index: int) -> Message:
    """Forwards packets that come in on the link, and neither accepts nor sends ICMP redirects (the latter only if the
    flag for all links is off too). Redirects would make hosts bypass the node that translates their addresses. Works
    even if /proc/sys is read-only."""
    conf = {_CONF_FORWARDING: 1, _CONF_ACCEPT_REDIRECTS: 0, _CONF_SEND_REDIRECTS: 0, _CONF_RP_FILTER: 0}
    return _configure(index, conf, f"forward on link {index}")


def route_loopback(index: int, *, on: bool) -> Message:
    """Permits or refuses addresses of 127.0.0.0/8 in packets of the link (the setting `route_localnet`)."""
    return _configure(index, {_CONF_ROUTE_LOCALNET: int(on)}, f"route 127.0.0.0/8 on link {index}")


def _configure(index: int, conf: Mapping[int, int], what: str) -> Message:
    values = b"".join(_u32(key, value) for key, value in conf.items())
    spec = _attr(_AF_INET | _NESTED, _attr(_IFLA_INET_CONF | _NESTED, values))
    return Message(_NEWLINK, 0, _ifinfo(index) + _attr(_IFLA_AF_SPEC | _NESTED, spec), what)


def add_address(index: int, address: IPv4Interface | IPv6Interface) -> Message:
    packed = address.ip.packed
    # An IPv6 address is usable at once, without duplicate address detection, which takes a second.
    flags = _IFA_PERMANENT | (_IFA_NODAD if address.version == 6 else 0)
    head = struct.pack("=BBBBI", _AF[address.version], address.network.prefixlen, flags, _RT_SCOPE_UNIVERSE, index)
    body = head + _attr(_IFA_LOCAL, packed) + _attr(_IFA_ADDRESS, packed)
    return Message(_NEWADDR, _CREATE | _EXCL, body, f"add address {address} to link {index}")


def add_route(
    destination: IPv4Network | IPv6Network,
    *,
    gateway: IPv4Address | IPv6Address | None = None,
    link: int = 0,
    onlink: bool = False,
    replace: bool = False,
) -> Message:
    """Adds a route through `gateway`, or directly onto `link`. `onlink`: the gateway is reached on the link though no
    address of the link covers it."""
    scope = _RT_SCOPE_LINK if gateway is None else _RT_SCOPE_UNIVERSE
    flags = _RTNH_F_ONLINK if onlink else 0
    body = struct.pack(
        "=BBBBBBBBI",
        _AF[destination.version],
        destination.prefixlen,
        0,
        0,
        _RT_TABLE_MAIN,
        _RTPROT_STATIC,
        scope,
        _RTN_UNICAST,
        flags,
    )
    if destination.prefixlen:
        body += _attr(_RTA_DST, destination.network_address.packed)
    if gateway is not None:
        body += _attr(_RTA_GATEWAY, gateway.packed)
    if link:
        body += _u32(_RTA_OIF, link)
    how = _REPLACE if replace else _EXCL
    return Message(_NEWROUTE, _CREATE | how, body, f"add route to {destination}")


def add_local_range(block: IPv4Network) -> Message:
    """Makes every address of the range local, as if each were an address of `lo`."""
    head = struct.pack(
        "=BBBBBBBBI", _AF_INET, block.prefixlen, 0, 0, _RT_TABLE_LOCAL, _RTPROT_STATIC, _RT_SCOPE_HOST, _RTN_LOCAL, 0
    )
    body = head + _attr(_RTA_DST, block.network_address.packed) + _u32(_RTA_OIF, LOOPBACK)
    return Message(_NEWROUTE, _CREATE | _EXCL, body, f"answer for {block}")


def add_local_default(version: int) -> Message:
    """Makes every address local that no other route of the main table covers (IP version 4 or 6)."""
    head = struct.pack(
        "=BBBBBBBBI", _AF[version], 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, _RT_SCOPE_HOST, _RTN_LOCAL, 0
    )
    body = head + _u32(_RTA_OIF, LOOPBACK)
    return Message(_NEWROUTE, _CREATE | _REPLACE, body, f"keep IPv{version} packets without a route")


def encode(messages: Sequence[Message], first_seq: int) -> bytes:
    """Returns the messages in one buffer, numbered from `first_seq`; each asks for an acknowledgement."""
    return b"".join(
        struct.pack("=IHHII", 16 + len(m.body), m.type, m.flags | _REQUEST | _ACK, first_seq + i, 0) + m.body
        for i, m in enumerate(messages)
    )


def decode_acks(data: bytes) -> Iterator[Ack]:
    offset = 0
    while offset + 20 <= len(data):
        size, kind, flags, seq, _ = struct.unpack_from("=IHHII", data, offset)
        if kind == _ERROR:
            code = -struct.unpack_from("=i", data, offset + 16)[0]
            yield Ack(seq, code, _ack_text(data[offset : offset + size], flags) if code else "")
        offset += (size + 3) & ~3


def _ack_text(message: bytes, flags: int) -> str:
    if not flags & _ACK_TLVS:
        return ""
    offset = 16 + 4 + 16
    if not flags & _ACK_CAPPED:
        offset += struct.unpack_from("=I", message, 20)[0] - 16
    while offset + 4 <= len(message):
        size, kind = struct.unpack_from("=HH", message, offset)
        if kind & 0x3FFF == _ERR_ATTR_TEXT:
            return message[offset + 4 : offset + size].rstrip(b"\0").decode(errors="replace")
        offset += max((size + 3) & ~3, 4)
    return ""
