"""Deletes objects that have not changed for a while (`Kind.expiry`): Events, after an hour."""

from __future__ import annotations

import asyncio
from typing import Any

from fairlead.apiserver.registry.writer import WriteConflict, Writer
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.resource import Resource, Resources
from fairlead.base.clock import Clock
from fairlead.machinery.kinds.kind import Expiry, Kind

_SWEEP_S = 60.0


class Expirer:
    """Remembers when each object with an expiry was last written.

    Objects that the server finds in the store at its start count by their timestamps: otherwise a server that is
    restarted every half hour would never delete Events.
    """

    def __init__(self, resources: Resources, writer: Writer, *, clock: Clock) -> None:
        self._resources = resources
        self._writer = writer
        self._clock = clock
        self._seen: dict[Kind[Any], dict[str, tuple[int, float]]] = {}
        """The revision, and the time since when it is current; keyed by kind and key. A kind is missing before its
        first sweep."""

    async def run(self) -> None:
        """Sweeps every minute. Runs until cancelled."""
        while True:
            await self.sweep()
            await asyncio.sleep(_SWEEP_S)

    async def sweep(self) -> None:
        """Deletes the objects that have not changed for longer than their kind's expiry."""
        seen = {}
        for resource in self._resources:
            if (expiry := resource.kind.expiry) is not None:
                seen[resource.kind] = await self._sweep(resource, expiry)
        self._seen = seen

    async def _sweep(self, resource: Resource, expiry: Expiry[Any]) -> dict[str, tuple[int, float]]:
        now, known = self._clock.monotonic(), self._seen.get(resource.kind)
        seen: dict[str, tuple[int, float]] = {}
        for entry in resource.cache.select():
            if known is None:
                revision, since = entry.revision, now - self._age_s(entry, expiry)
            else:
                revision, since = known.get(entry.key, (0, now))
            if revision != entry.revision:
                seen[entry.key] = (entry.revision, now)
            elif now - since < expiry.after_s:
                seen[entry.key] = (revision, since)
            else:
                try:
                    await self._writer.remove(resource, entry, dry_run=False)
                except WriteConflict:
                    continue
        return seen

    def _age_s(self, entry: Entry, expiry: Expiry[Any]) -> float:
        """Returns the seconds since the last change according to the object's timestamps; never negative."""
        now = self._clock.now()
        last = expiry.last_change(entry.decode())
        return max(0.0, now - (last if last is not None else now))
