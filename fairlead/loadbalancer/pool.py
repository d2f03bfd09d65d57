"""The addresses that there are to give away. Pure values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.net.model import ClusterNetwork

Address = IPv4Address | IPv6Address

_FIRST, _LAST = 200, 250
"""Of the fabric: above the nodes."""


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends are included, and of one family."""

    first: Address
    last: Address

    def __post_init__(self) -> None:
        if self.first.version != self.last.version or int(self.first) > int(self.last):
            raise ValueError(f"{self.first}-{self.last} is no range of addresses")

    def __contains__(self, address: Address) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(self.last)

    def __iter__(self) -> Iterator[Address]:
        make = type(self.first)
        return (make(number) for number in range(int(self.first), int(self.last) + 1))

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Pool:
    ranges: tuple[Range, ...]

    def __contains__(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(address in some for some in self.ranges)

    def of_family(self, family: str) -> tuple[Range, ...]:
        """Those of `IPv4` or `IPv6`."""
        version = 6 if family == "IPv6" else 4
        return tuple(some for some in self.ranges if some.first.version == version)


def default_pool(network: ClusterNetwork) -> Pool:
    base = network.fabric.network_address
    return Pool((Range(base + _FIRST, base + _LAST),))


def family_of(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def render(ranges: tuple[Range, ...]) -> str:
    return ", ".join(map(str, ranges))
