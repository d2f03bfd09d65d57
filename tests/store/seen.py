"""A watcher that records the changes it receives."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fairlead.store.model import Change, StoreError

PATIENCE_S = 30


class Seen:
    """A watcher that records the changes it receives."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.revision = 0
        self.lost: StoreError | None = None
        self._news = asyncio.Event()

    def on_changes(self, changes: Sequence[Change], revision: int) -> None:
        assert all(self.revision < c.revision <= revision for c in changes)
        self.changes += changes
        self.revision = revision
        self._news.set()

    def on_lost(self, error: StoreError) -> None:
        self.lost = error
        self._news.set()

    async def reached(self, revision: int) -> list[Change]:
        """Waits until every change up to the revision has been delivered."""
        async with asyncio.timeout(PATIENCE_S):
            while self.revision < revision and self.lost is None:
                self._news.clear()
                await self._news.wait()
        assert self.lost is None
        return self.changes

    async def ended(self) -> StoreError:
        async with asyncio.timeout(PATIENCE_S):
            while self.lost is None:
                self._news.clear()
                await self._news.wait()
        return self.lost
