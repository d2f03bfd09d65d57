"""A cluster without proxies: no Pod is sent anything, or it is said when each is out."""

from __future__ import annotations

import asyncio


class FakeTraffic:
    """Implements `Traffic`."""

    def __init__(self) -> None:
        self.revision = 0
        """The one that this node's proxies follow."""
        self.asked: list[str] = []
        """The uids of the Pods that were to be drained, in order."""
        self.routed: dict[str, asyncio.Event] = {}
        """The Pods that get new connections, by uid; setting the event takes a Pod out."""

    async def applied(self, revision: int, within_s: float) -> int:
        return self.revision

    async def drained(self, uid: str, within_s: float) -> bool:
        self.asked.append(uid)
        if uid not in self.routed:
            return True
        try:
            async with asyncio.timeout(within_s):
                await self.routed[uid].wait()
        except TimeoutError:
            return False
        return True
