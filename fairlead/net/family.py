"""The two address families, and what each calls things in nft's syntax. Rules are written once, for both."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.base.addresses import FamilyName


@dataclass(frozen=True, slots=True)
class Family:
    name: FamilyName
    """As in `addressType` and `ipFamilies`."""
    table: str
    """Of nft's tables, and of their headers' fields."""
    address: str
    """nft's type of an address."""
    icmp: str
    """Its control protocol, as nft calls it."""
    unreachable: str
    """What refuses a packet that is not TCP."""
    loopback: str

    def has(self, address: str) -> bool:
        return (":" in address) == (self.table == "ip6")


IPV4 = Family("IPv4", "ip", "ipv4_addr", "icmp", "icmp port-unreachable", "127.0.0.0/8")
IPV6 = Family("IPv6", "ip6", "ipv6_addr", "ipv6-icmp", "icmpv6 port-unreachable", "::1")


def of_version(version: int) -> Family:
    """Returns the family by the version that `ipaddress` values carry."""
    return IPV6 if version == 6 else IPV4


def of_name(name: FamilyName) -> Family:
    return IPV6 if name == "IPv6" else IPV4
