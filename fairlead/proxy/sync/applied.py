"""Tracks up to which revision of EndpointSlices the kernel's rules follow all changes: read before a Pod is
stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.runtime.informer import Informer, InformerSet


class AppliedRevision:
    """The applied revision of one proxy. `pending` returns whether known changes wait for a sync."""

    def __init__(self, pending: Callable[[], bool]) -> None:
        self._pending = pending
        self._slices: Informer[EndpointSlice] | None = None
        self._taken = 0
        self._done = 0
        self._busy = True
        """A sync is running, the last one was refused, or none has run yet."""
        self._moved = asyncio.Event()

    def follow(self, informers: InformerSet) -> None:
        """Registers the handlers. Call this before the informers run, and after the handlers that make changes
        pending."""
        self._slices = informers.of(ENDPOINT_SLICE)
        self._slices.add_handler(lambda *_: self._moved.set())

    @property
    def revision(self) -> int:
        if self._busy or self._pending() or self._slices is None:
            return self._done
        return max(self._done, self._slices.revision)

    def begin(self) -> None:
        """Records that a sync starts with all known changes. Call this before another event can be received."""
        self._taken = self._slices.revision if self._slices is not None else 0
        self._busy = True

    def end(self) -> None:
        """Records the end of the sync."""
        self._done, self._busy = max(self._done, self._taken), False
        self._moved.set()

    async def reach(self, revision: int, within_s: float) -> int:
        """Waits until the revision is reached, for at most `within_s`. Returns the revision that is reached."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.revision < revision:
                    self._moved.clear()
                    await self._moved.wait()
        return self.revision
