"""The two address families and their names in nft's syntax. Rules are written once, for both."""

from __future__ import annotations

from fairlead.base.addresses import FamilyName
from fairlead.base.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    name: FamilyName
    """The value in `addressType` and `ipFamilies`."""
    table: str
    """The family of nft tables, and the prefix of header fields in rules."""
    address: str
    """nft's type of an address."""
    icmp: str
    """nft's name for the family's ICMP protocol."""
    unreachable: str
    """The statement that rejects a packet of any protocol but TCP."""
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
