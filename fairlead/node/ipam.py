"""The addresses of one node's pods. Pure.

An address given back is taken again as late as possible: a peer may still remember who had it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network


class NoAddress(Exception):
    """The node's range is used up."""


class Addresses:
    """Addresses from .2 on; .1 is the gateway."""

    def __init__(self, cidr: str) -> None:
        network = IPv4Network(cidr)
        self._first = int(network.network_address) + 2
        self._count = network.num_addresses - 3
        self._next = 0
        self._used: set[int] = set()
        self.gateway = network.network_address + 1

    def take(self, preferred: str = "") -> IPv4Address:
        """The preferred address where it is free and ours, else the next free one. Raises NoAddress."""
        if preferred:
            offset = int(IPv4Address(preferred)) - self._first
            if 0 <= offset < self._count and offset not in self._used:
                return self._mark(offset)
        for step in range(self._count):
            offset = (self._next + step) % self._count
            if offset not in self._used:
                self._next = (offset + 1) % self._count
                return self._mark(offset)
        raise NoAddress("no address is left in the node's pod range")

    def _mark(self, offset: int) -> IPv4Address:
        self._used.add(offset)
        return IPv4Address(self._first + offset)

    def release(self, address: str) -> None:
        self._used.discard(int(IPv4Address(address)) - self._first)
