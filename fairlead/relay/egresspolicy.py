"""The destinations that Pods may reach outside. The supervisor asks before it dials, so Pods cannot go round it.

The relay gets the dialled sockets. They are of the host's network, so a relay that has been taken over could connect
them elsewhere: the policy binds Pods, not the relay itself.

Always refused: this machine itself (`--expose-host` opens single ports), link-local addresses (with the metadata
services of clouds), multicast, unspecified and reserved addresses.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

from fairlead.base.addresses import unmapped
from fairlead.base.dataclass import dataclass

Network = IPv4Network | IPv6Network
_ANYCAST = Path("/proc/net/anycast6")
"""Lines of interface index, interface, address and number of users (net/ipv6/anycast.c)."""


class RefusedError(OSError):
    """A destination that Pods may not reach; the text says why."""


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    refused: tuple[Network, ...] = ()
    """The user's ranges (`--egress-refuse`)."""

    def check(self, address: str) -> IPv4Address | IPv6Address:
        """Returns the address to dial. Raises RefusedError."""
        try:
            ip = unmapped(ip_address(address))
        except ValueError:
            raise RefusedError(f"{address} is not an IP address") from None
        if ip.is_loopback or ip.is_unspecified or ip.is_multicast or ip.is_link_local or ip.is_reserved:
            raise RefusedError(f"{ip} is never reached from Pods (loopback, link-local, multicast or reserved)")
        for net in self.refused:
            if ip.version == net.version and ip in net:
                raise RefusedError(f"{ip} lies in {net}, which --egress-refuse lists")
        if _is_own(ip):
            raise RefusedError(f"{ip} is this machine, of which Pods reach the ports of --expose-host")
        return ip


def _is_own(ip: IPv4Address | IPv6Address) -> bool:
    """Returns whether the address is one of this machine: only to such an address can a socket be bound. Any error but
    EADDRNOTAVAIL and a missing family counts as one: EADDRINUSE, for example, says that all its ports are in use."""
    if isinstance(ip, IPv6Address) and _is_anycast(ip):
        return True
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(ip), 0))
        except OSError as error:
            return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


def _is_anycast(ip: IPv6Address) -> bool:
    try:
        return is_listed(ip, _ANYCAST.read_text(encoding="ascii"))
    except OSError:  # no IPv6
        return False


def is_listed(ip: IPv6Address, anycast: str) -> bool:
    """Returns whether `/proc/net/anycast6` lists the address: each network of a machine that forwards IPv6 has one (RFC
    4291, section 2.6.1). A socket cannot be bound to it, but datagrams to it arrive at this machine."""
    return ip.packed.hex() in (line.split()[2] for line in anycast.splitlines())


def parse_refused(text: str) -> tuple[Network, ...]:
    """Reads ranges separated by commas. Raises ValueError with the range that is wrong."""
    return tuple(_range(one.strip()) for one in text.split(",") if one.strip())


def _range(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as e:
        raise ValueError(f"{text}: {e}") from None


def render_refused(networks: Sequence[Network]) -> str:
    return ",".join(map(str, networks))
