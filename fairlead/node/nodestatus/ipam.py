"""The addresses of one node's pods. Pure.

A released address is allocated again as late as possible: a peer may still hold state for its last pod. In a cluster of
both families, a pod's IPv6 address has the same offset in its range as its IPv4 address. One number thus stands for
both, and no more state is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address
_FIRST = 2
_MOST = 1 << 16
"""The most addresses of a range: more than any node has pods; an IPv6 range is practically unlimited."""


class NoAddress(Exception):
    """The node's range is used up."""


class Addresses:
    """Addresses from the second on; the first is the gateway. A pod's first address identifies the pod."""

    def __init__(self, cidrs: Sequence[str]) -> None:
        """`cidrs`: the node's ranges, one of each family that pods have."""
        self._ranges = [ip_network(cidr) for cidr in cidrs]
        self._base = int(self._ranges[0].network_address)
        self._count = min(self._ranges[0].num_addresses - 3, _MOST)
        self._next = 0
        self._used: set[int] = set()
        self._kept: set[int] = set()

    @property
    def gateway(self) -> IPv4Address | None:
        """Returns the IPv4 gateway; an IPv6 gateway belongs to each link instead."""
        first = self._ranges[0].network_address
        return first + 1 if isinstance(first, IPv4Address) else None

    def allocate(self, preferred: str = "") -> tuple[Address, ...]:
        """Returns an address of each family: the preferred one if it is unallocated and in the range, else the next
        unallocated one. Raises NoAddress."""
        if preferred:
            offset = self._offset(preferred)
            if 0 <= offset < self._count and offset not in self._used:
                return self._mark(offset)
        for shunned in (self._used | self._kept, self._used):
            for step in range(self._count):
                offset = (self._next + step) % self._count
                if offset not in shunned:
                    self._next = (offset + 1) % self._count
                    return self._mark(offset)
        raise NoAddress("the node's pod range has no unallocated address")

    def reserve(self, address: str) -> None:
        """Marks the address for a pod that had it and will prefer it: others get it only if no other is left."""
        self._kept.add(self._offset(address))

    def release(self, address: str) -> None:
        self._used.discard(self._offset(address))

    def _offset(self, address: str) -> int:
        return int(ip_address(address)) - self._base - _FIRST

    def _mark(self, offset: int) -> tuple[Address, ...]:
        self._used.add(offset)
        self._kept.discard(offset)
        return tuple(network.network_address + _FIRST + offset for network in self._ranges)
