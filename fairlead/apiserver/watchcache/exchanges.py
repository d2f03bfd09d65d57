"""Resources whose kinds are exchanged for others: requests for them wait, because they are served before and after.

A definition that gets another storage version, for example, is taken out of the Scheme as a whole and added anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

LONGEST_S = 5.0
"""Seconds that a request waits at most."""


class Exchanges:
    def __init__(self) -> None:
        self._ended: dict[tuple[str, str], asyncio.Event] = {}
        """Events that end the wait, by the group and plural name of the resource."""

    @contextlib.contextmanager
    def of(self, group: str, plural: str) -> Iterator[None]:
        """Lets requests for the resource wait until the block has ended."""
        ended = self._ended[group, plural] = asyncio.Event()
        try:
            yield
        finally:
            del self._ended[group, plural]
            ended.set()

    async def wait(self, group: str, plural: str) -> bool:
        """Waits until the resource is served again. Returns False if it is not being exchanged."""
        ended = self._ended.get((group, plural))
        if ended is None:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_S):
                await ended.wait()
        return True
