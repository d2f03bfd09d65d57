"""Listening sockets, parsed from the text of `/proc/PID/net/{tcp,tcp6,udp,udp6}`.

An address is hexadecimal in 32-bit words of the machine's byte order. State 0A is TCP_LISTEN, and 07 (TCP_CLOSE) a UDP
socket without a peer (include/net/tcp_states.h).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from fairlead.base.texts import text
from fairlead.explain.words import Message, listed

_LISTENING = {"TCP": "0A", "UDP": "07"}
FILES = (("tcp", "TCP"), ("tcp6", "TCP"), ("udp", "UDP"), ("udp6", "UDP"))
"""Names of the files below `/proc/PID/net`, and the protocol of their sockets."""


class Listener(NamedTuple):
    """One socket that accepts connections or datagrams."""

    protocol: str
    address: str
    port: int

    @property
    def loopback(self) -> bool:
        return ip_address(self.address).is_loopback


def parse(text: str, protocol: str) -> Iterator[Listener]:
    """Yields the listening sockets of one file."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] == _LISTENING[protocol]:
            address, _, port = fields[1].partition(":")
            yield Listener(protocol, _address(address), int(port, 16))


def describe(listeners: Iterable[Listener]) -> Message:
    """Returns a list such as `TCP 8080, UDP 53 on 127.0.0.1`; "nothing" for an empty list."""
    shown = {(one.protocol, one.port, one.address if one.loopback else ""): None for one in sorted(listeners)}
    return listed([_listener(*one) for one in shown]) if shown else text("nothing")


def _listener(protocol: str, port: int, address: str) -> Message:
    if not address:
        return f"{protocol} {port}"
    return text("{protocol} {port} on {address}", protocol=protocol, port=port, address=address)


def _address(text: str) -> str:
    raw = bytes.fromhex(text)
    if sys.byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    if len(raw) == 4:
        return str(IPv4Address(raw))
    address = IPv6Address(raw)
    return str(address.ipv4_mapped or address)
