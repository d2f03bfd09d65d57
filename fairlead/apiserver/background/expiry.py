"""Events do not live for ever: an hour after their last change they go, as with upstream's `--event-ttl`."""

from __future__ import annotations

import asyncio

from fairlead.api.core.event.kind import EVENT, Event
from fairlead.apiserver.registry.writer import Raced, Writer
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.clock import Clock
from fairlead.base.instant import Instant, parse_time

TTL_S = 3600.0
_SWEEP_S = 60.0


class EventExpiry:
    """Remembers when each Event was last written. Of those that a start finds in the store, their own times say so: a
    server that is restarted every half hour must not keep Events for ever."""

    def __init__(self, resources: Resources, writer: Writer, *, clock: Clock) -> None:
        self._resource = resources.of(EVENT)
        self._writer = writer
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}
        self._found = False
        """Whether the Events of before this process have been looked at."""

    async def run(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(_SWEEP_S)

    async def sweep(self) -> None:
        """Removes what has not changed for an hour."""
        now = self._clock.monotonic()
        seen: dict[str, tuple[int, float]] = {}
        for entry in self._resource.cache.select():
            if not self._found:
                self._seen[entry.key] = entry.revision, now - _age_s(entry.decode(), self._clock.now())
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
        self._seen, self._found = seen, True


def _age_s(event: Event, now: Instant) -> float:
    """Since the event last happened, as far as it says so itself; never in the future."""
    series = event.series.lastObservedTime if event.series is not None else None
    texts = (series, event.lastTimestamp, event.eventTime, event.firstTimestamp, event.metadata.creationTimestamp)
    times = [parse_time(text) for text in texts if text]
    return max(0.0, now - max(times, default=now))
