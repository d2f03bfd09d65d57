"""Listening sockets, parsed from the text of `/proc/PID/net/{tcp,tcp6,udp,udp6}` and `/proc/PID/net/sctp/eps`.

An address of the first four is hexadecimal in 32-bit words of the machine's byte order. State 0A is TCP_LISTEN, and 07
(TCP_CLOSE) a UDP socket without a peer (include/net/tcp_states.h). The table of SCTP has decimal numbers, 10 for a
socket that listens, and any number of addresses at the end (net/sctp/proc.c); it exists once the kernel has loaded
SCTP, without which no program can listen.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from fairlead.base.texts import text
from fairlead.explain.words import Message, listed

_LISTENING = {"TCP": "0A", "UDP": "07"}
_SCTP_LISTENING = "10"
FILES = (("tcp", "TCP"), ("tcp6", "TCP"), ("udp", "UDP"), ("udp6", "UDP"), ("sctp/eps", "SCTP"))
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
    if protocol == "SCTP":
        yield from _parse_sctp(text)
        return
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] == _LISTENING[protocol]:
            address, _, port = fields[1].partition(":")
            yield Listener(protocol, _address(address), int(port, 16))


def _parse_sctp(text: str) -> Iterator[Listener]:
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 8 and fields[3] == _SCTP_LISTENING:
            for address in fields[8:]:
                yield Listener("SCTP", _plain(address), int(fields[5]))


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
    return _plain(str(IPv6Address(raw)))


def _plain(text: str) -> str:
    """Returns an address as it is usually written, and one of IPv4 in IPv6 as that of IPv4."""
    address = ip_address(text)
    return str((address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address)
