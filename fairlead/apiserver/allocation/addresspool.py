"""The cluster IPs of one family: the allocated addresses, and the ranges for new ones.

Each range has a lower band for addresses that users choose. An address without a choice comes from the upper band of
the first range that has a free one (Kubernetes KEP-3070). Ranges may overlap, come and go. Allocated addresses are
stored for the whole family, so that no address is given twice if its range changes.
"""

from __future__ import annotations

import ipaddress
import random
import socket
from collections.abc import Iterator, Sequence

from fairlead.apiserver.allocation.pool import lower_band
from fairlead.base.dataclass import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PROBES = 32
MISMATCHED = "the provided network does not match the current range"
TAKEN = "provided IP is already allocated"


def number_of(ip: str) -> int:
    """Returns a valid address as the number that the pools use; ten times faster than `ipaddress`
    (docs/measurements.md, 10)."""
    return int.from_bytes(socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip), "big")


def is_address(text: str) -> bool:
    """Returns whether the text is a valid IP address."""
    try:
        number_of(text)
    except (OSError, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Range:
    """One family of a service CIDR: the addresses `first` to `last`, both included."""

    network: Network
    first: int
    last: int
    band: int
    """Size of the lower band, which is for addresses that users choose."""


def range_of(network: Network) -> Range:
    """Returns the usable addresses of a network: without the network address and, in IPv4, the broadcast address."""
    size, first = network.num_addresses, int(network.network_address)
    last = first + size - (2 if network.version == 4 else 1)
    return Range(network, first + 1, last, lower_band(size, least=16, most=256, step=16))


class AddressPool:
    """The allocated addresses of one family, and the ranges for new ones."""

    def __init__(self, networks: Sequence[Network], *, rng: random.Random) -> None:
        self._rng = rng
        self._taken: set[int] = set()
        self._reserved = -1
        self._ranges: list[Range] = []
        self.set_ranges(networks)

    def __len__(self) -> int:
        return len(self._taken)

    def __contains__(self, address: Address) -> bool:
        return int(address) in self._taken

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._taken))

    @property
    def first(self) -> int:
        """The lowest address of the first range, which belongs to the Service `kubernetes`."""
        return self._ranges[0].first

    def set_ranges(self, networks: Sequence[Network]) -> None:
        """Sets the ranges for new addresses, in this order, without duplicates."""
        self._ranges = [range_of(network) for network in dict.fromkeys(networks)]

    def covers(self, address: Address) -> bool:
        """Returns whether the address is in one of the ranges."""
        return any(address in range_.network for range_ in self._ranges)

    def reserve(self, address: Address) -> None:
        """Reserves the address for a known Service: other objects cannot get it, even while it is free."""
        self._reserved = int(address)

    def is_reserved(self, address: Address) -> bool:
        return int(address) == self._reserved

    def refusal(self, address: Address) -> str:
        """Returns why a requested address cannot be given, or "". A reserved address is not checked here, because
        the pool does not know which object requests it."""
        around = [range_ for range_ in self._ranges if address in range_.network]
        if not around:
            return MISMATCHED
        if not any(range_.first <= int(address) <= range_.last for range_ in around):
            network = around[0].network
            return f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {network}"
        return TAKEN if int(address) in self._taken else ""

    def allocate(self, number: int) -> None:
        self._taken.add(number)

    def release(self, number: int) -> None:
        self._taken.discard(number)

    def allocate_next(self) -> int | None:
        """Takes a random free address; returns None if every range is full."""
        for range_ in self._ranges:
            number = self._random_free(range_.first + range_.band, range_.last)
            if number is None:
                number = self._random_free(range_.first, min(range_.first + range_.band - 1, range_.last))
            if number is not None:
                self._taken.add(number)
                return number
        return None

    def _random_free(self, first: int, last: int) -> int | None:
        if first > last:
            return None
        for _ in range(_PROBES):
            number = self._rng.randint(first, last)
            if self._is_free(number):
                return number
        if last - first >= 2 * len(self._taken) + _PROBES:
            return self._random_free(first, last)  # more than half is free: the random probes only missed
        # The band is nearly full: search it once from a random start.
        start = self._rng.randint(first, last)
        free = (n for n in (*range(start, last + 1), *range(first, start)) if self._is_free(n))
        return next(free, None)

    def _is_free(self, number: int) -> bool:
        return number not in self._taken and number != self._reserved
