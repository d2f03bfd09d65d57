"""Up to which revision of EndpointSlices the kernel's rules follow all changes: asked before a Pod is ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.runtime.informer import Informer, InformerSet


class AppliedRevision:
    """One proxy's. `pending` says whether changes are known that no sync has taken yet."""

    def __init__(self, pending: Callable[[], bool]) -> None:
        self._pending = pending
        self._slices: Informer[EndpointSlice] | None = None
        self._taken = 0
        self._done = 0
        self._busy = True
        """A sync is at work, or one was refused, or none has been yet."""
        self._moved = asyncio.Event()

    def follow(self, informers: InformerSet) -> None:
        """Before the informers run, and after the handlers that make changes pending."""
        self._slices = informers.of(ENDPOINT_SLICE)
        self._slices.add_handler(lambda *_: self._moved.set())

    @property
    def revision(self) -> int:
        if self._busy or self._pending() or self._slices is None:
            return self._done
        return max(self._done, self._slices.revision)

    def begin(self) -> None:
        """A sync takes all changes that are known: call it before anything else can be told."""
        self._taken = self._slices.revision if self._slices is not None else 0
        self._busy = True

    def end(self) -> None:
        """The sync is done."""
        self._done, self._busy = max(self._done, self._taken), False
        self._moved.set()

    async def reach(self, revision: int, within_s: float) -> int:
        """Waits until the revision is reached, at most so long. Returns the one that is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.revision < revision:
                    self._moved.clear()
                    await self._moved.wait()
        return self.revision
