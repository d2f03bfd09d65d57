"""A fabric in memory: legs that receive each other's calls, and the addresses that each holds, by an event loop's
clock."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable

from fairlead.loadbalancer.announcer.model import Call


class FakeFabric:
    def __init__(self) -> None:
        self.legs: list[FakeLeg] = []

    def leg(self) -> FakeLeg:
        leg = FakeLeg(self)
        self.legs.append(leg)
        return leg

    def close(self) -> None:
        for leg in self.legs:
            leg.close()


class FakeLeg:
    """A leg in memory. `cut`: it sends and receives nothing, and its addresses expire; `deaf`: it only sends and
    receives nothing."""

    def __init__(self, fabric: FakeFabric) -> None:
        self.cut = self.deaf = False
        self.calls = 0
        self.announced: list[str] = []
        self._fabric = fabric
        self._until: dict[str, float] = {}
        self._inbox: list[Call] = []
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)

    @property
    def addresses(self) -> set[str]:
        now = asyncio.get_running_loop().time()
        return {address for address, until in self._until.items() if until > now}

    def fileno(self) -> int:
        return self._read

    def receive(self) -> list[Call]:
        os.read(self._read, 4096)
        calls, self._inbox = self._inbox, []
        return calls

    def call(self, call: Call) -> None:
        self.calls += 1
        for leg in self._fabric.legs:
            if leg is not self and not any((self.cut, leg.cut, self.deaf, leg.deaf)):
                leg._deliver(call)

    def add(self, addresses: Iterable[str], lifetime_s: int) -> None:
        now = asyncio.get_running_loop().time()
        if not self.cut:
            self._until |= dict.fromkeys(addresses, now + lifetime_s)

    def delete(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            self._until.pop(address, None)

    def announce(self, addresses: Iterable[str]) -> None:
        self.announced.extend(addresses)

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)

    def _deliver(self, call: Call) -> None:
        self._inbox.append(call)
        os.write(self._write, b".")
