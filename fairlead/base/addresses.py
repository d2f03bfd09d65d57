"""IP addresses as the kernel reaches them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Literal

FamilyName = Literal["IPv4", "IPv6"]
"""As in `ipFamilies` and `addressType`."""

MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4-mapped IPv6 addresses (RFC 4291, section 2.5.5.2)."""


def unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Returns the IPv4 address to which a connection to an IPv4-mapped address goes, and any other as it is. Questions
    such as `is_loopback` are for the result: Python before 3.13 does not look at the IPv4 address."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def is_address(text: str) -> bool:
    """Returns whether a text is an IP address, and not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def family_of(ip: str) -> FamilyName:
    """Returns the family of an address or range, told by its text alone."""
    return "IPv6" if ":" in ip else "IPv4"


def is_own(ip: str) -> bool:
    """Returns whether the address belongs to every machine rather than to a network (loopback, link-local, multicast,
    unspecified); true for a text that cannot be parsed."""
    try:
        address = unmapped(ip_address(ip))
    except ValueError:
        return True
    return address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
