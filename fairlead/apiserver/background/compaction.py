"""Compacts the store's history by age, so that a page of a list can be continued for at least five minutes and never
for more than ten.

Source: upstream's API server compacts every five minutes what is older than five minutes (DefaultCompactInterval).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fairlead.store.model import Store, StoreError

INTERVAL_S = 300.0


class Compactor:
    """Several API servers over one store may compact at once: compacting twice changes nothing."""

    def __init__(
        self, store: Store, *, interval_s: float = INTERVAL_S, compacted: Callable[[int], None] = lambda _: None
    ) -> None:
        """`compacted(revision)` is called when the states before the revision are gone."""
        self._store = store
        self._compacted = compacted
        self._interval_s = interval_s

    async def run(self) -> None:
        """Compacts once an interval what was written before the previous one. Runs until cancelled."""
        before = 0
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                if before:
                    await self._store.compact(before)
                    self._compacted(before)
                before = (await self._store.list("\0", limit=1)).revision
            except StoreError:
                continue  # unreachable, or compacted further by another server: the next round does it
