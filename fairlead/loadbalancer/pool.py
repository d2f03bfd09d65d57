"""The pool of load-balancer addresses. Pure values."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)
from itertools import combinations

from fairlead.base.dataclass import dataclass
from fairlead.net.model import LAST_NODE_OFFSET, POOL_OFFSETS, ClusterNetwork

Address = IPv4Address | IPv6Address
Block = IPv4Network | IPv6Network

LAST_FABRIC_OFFSET = 254
"""Offset of the last address of a fabric that may be allocated, in both families."""
_UNFIT4, _UNFIT6 = ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"), ("::/127", "::ffff:0:0/96", "fe80::/10", "ff00::/8")
_UNFIT = {text: ip_network(text) for text in _UNFIT4 + _UNFIT6}
"""Keyed by the text for users: Python 3.13 writes IPv4-mapped networks in another form than the versions before it."""
_HOW = "write it as 172.30.0.200-172.30.0.250, or as 192.168.7.224/28, several with commas between, or as default"


class BadPool(ValueError):
    """Invalid pool. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Range:
    """A range of addresses of one family; both ends are included."""

    first: Address
    last: Address

    def __post_init__(self) -> None:
        if self.first.version != self.last.version or int(self.first) > int(self.last):
            raise ValueError(f"invalid address range: {self.first}-{self.last}")

    def __contains__(self, address: Address) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(self.last)

    def __iter__(self) -> Iterator[Address]:
        make = type(self.first)
        return (make(number) for number in range(int(self.first), int(self.last) + 1))

    @property
    def size(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Pool:
    ranges: tuple[Range, ...]

    def __str__(self) -> str:
        return ",".join(map(str, self.ranges))

    def __contains__(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(address in some for some in self.ranges)

    def of_family(self, family: str) -> tuple[Range, ...]:
        """Returns the ranges of a family: `IPv4` or `IPv6`."""
        version = 6 if family == "IPv6" else 4
        return tuple(some for some in self.ranges if some.first.version == version)


def default_pool(network: ClusterNetwork) -> Pool:
    """Returns the default pool: on the fabric, above the nodes, of each family that the cluster has."""
    first, last = POOL_OFFSETS
    return Pool(tuple(Range(fabric[first], fabric[last]) for fabric in network.fabrics))


def parse_pool(text: str) -> Pool:
    """Parses ranges `A-B` (`B` may be only the last part) and CIDRs, separated by commas. Raises BadPool."""
    ranges = tuple(_parse_range(part.strip()) for part in text.split(","))
    for one, other in combinations(ranges, 2):
        if one.first in other or other.first in one:
            raise BadPool(f"{one} and {other} overlap")
    return Pool(ranges)


def _parse_range(text: str) -> Range:
    first, dash, last = text.partition("-")
    try:
        if dash:
            separator = ":" if ":" in first else "."
            if separator not in last:
                last = first[: first.rindex(separator) + 1] + last
            range_ = Range(ip_address(first), ip_address(last))
        else:
            range_ = _whole(ip_network(text))
    except ValueError as e:
        raise BadPool(f'invalid address range: "{text}" ({e}): {_HOW}') from e
    for unfit, network in _UNFIT.items():
        if _overlap(range_, network):
            raise BadPool(f"{text} cannot be used for hosts: {unfit} is reserved for other purposes")
    return range_


def _whole(block: Block) -> Range:
    """Returns the range of a network, without the first and the last address of IPv4, which some clients treat
    specially."""
    inner = 1 if block.version == 4 and block.prefixlen < 31 else 0
    return Range(block.network_address + inner, block.broadcast_address - inner)


def problem(pool: Pool, network: ClusterNetwork) -> str:
    """Returns a message if the pool overlaps a range of the cluster; empty if not. On the fabric the addresses
    above the nodes' are free; other networks are not checked."""
    for family, there in (("IPv4", not network.only_six), ("IPv6", network.six is not None)):
        if not there and pool.of_family(family):
            cure = "(--ip-family dual gives it both families)"
            return f"{render(pool.of_family(family))}: the cluster has no {family} {cure}"
    taken: list[tuple[str, Block]] = [("the Pods'", cidr) for cidr in network.pod_cidrs]
    taken += [("the Services'", cidr) for cidr in network.service_cidrs]
    for some in pool.ranges:
        for whose, block in taken:
            if _overlap(some, block):
                return f"{some} overlaps {whose} range {block}"
        for fabric in network.fabrics:
            if _overlap(some, fabric) and not _above_nodes(some, fabric):
                free = f"{fabric[LAST_NODE_OFFSET + 1]}-{fabric[LAST_FABRIC_OFFSET]}"
                return f"{some} overlaps the nodes' range {fabric}, of which {free} may be used"
    return ""


def off_fabric(pool: Pool, network: ClusterNetwork) -> tuple[Block, ...]:
    """Returns the parts of the pool outside the fabric's range, as blocks."""
    fabrics = network.fabrics
    outside = [some for some in pool.ranges if not any(_overlap(some, fabric) for fabric in fabrics)]
    return tuple(block for some in outside for block in summarize_address_range(some.first, some.last))


def _above_nodes(some: Range, fabric: Block) -> bool:
    base = int(fabric.network_address)
    return int(some.first) > base + LAST_NODE_OFFSET and int(some.last) <= base + LAST_FABRIC_OFFSET


def _overlap(some: Range, block: Block) -> bool:
    return (
        some.first.version == block.version
        and int(some.first) <= int(block.broadcast_address)
        and int(block.network_address) <= int(some.last)
    )


def render(ranges: tuple[Range, ...]) -> str:
    return ", ".join(map(str, ranges))
