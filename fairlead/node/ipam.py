"""The addresses of one node's pods. Pure.

An address given back is taken again as late as possible: a peer may still remember who had it. A pod's IPv6 address
has the same place in its range as its IPv4 address has: what is known of one is known of the other, so nothing more has
to be counted, kept or found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network


class NoAddress(Exception):
    """The node's range is used up."""


class Addresses:
    """Addresses from .2 on; .1 is the gateway."""

    def __init__(self, cidrs: Sequence[str]) -> None:
        """The IPv4 range, and the IPv6 range where there is one."""
        network = IPv4Network(cidrs[0])
        self._base = int(network.network_address)
        self._first = self._base + 2
        self._count = network.num_addresses - 3
        self._next = 0
        self._used: set[int] = set()
        self._kept: set[int] = set()
        self._six = IPv6Network(cidrs[1]) if cidrs[1:] else None
        self.gateway = network.network_address + 1

    def take(self, preferred: str = "") -> IPv4Address:
        """The preferred address where it is free and ours, else the next free one. Raises NoAddress."""
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
        raise NoAddress("no address is left in the node's pod range")

    def keep(self, address: str) -> None:
        """For a pod that had it and will prefer it: others get it only where no other is left."""
        self._kept.add(self._offset(address))

    def _offset(self, address: str) -> int:
        return int(IPv4Address(address)) - self._first

    def six_of(self, address: str) -> IPv6Address | None:
        """The IPv6 address that goes with an address of the range; None where the node has IPv4 alone."""
        return None if self._six is None else self._six.network_address + (int(IPv4Address(address)) - self._base)

    def _mark(self, offset: int) -> IPv4Address:
        self._used.add(offset)
        self._kept.discard(offset)
        return IPv4Address(self._first + offset)

    def release(self, address: str) -> None:
        self._used.discard(self._offset(address))
