"""Events do not live for ever: an hour after their last change they go, as with upstream's `--event-ttl`."""

from __future__ import annotations

import asyncio

from fairlead.api.event import EVENT
from fairlead.apiserver.resource import Resources
from fairlead.apiserver.writer import Raced, Writer
from fairlead.base.clock import Clock

TTL_S = 3600.0
_SWEEP_S = 60.0


class EventExpiry:
    """Remembers when each Event was last written, as seen from here: a restart gives them another hour."""

    def __init__(self, resources: Resources, writer: Writer, *, clock: Clock) -> None:
        self._resource = resources.of(EVENT)
        self._writer = writer
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(_SWEEP_S)

    async def sweep(self) -> None:
        """Removes what has not changed for an hour."""
        now = self._clock.monotonic()
        seen: dict[str, tuple[int, float]] = {}
        for entry in self._resource.cache.select():
            revision, since = self._seen.get(entry.key, (0, now))
            if revision != entry.revision:
                seen[entry.key] = (entry.revision, now)
            elif now - since < TTL_S:
                seen[entry.key] = (revision, since)
            else:
                try:
                    await self._writer.remove(self._resource, entry, dry_run=False)
                except Raced:
                    continue
        self._seen = seen
