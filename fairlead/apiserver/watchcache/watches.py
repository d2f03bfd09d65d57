"""All open watches: sends their bookmarks and ends them."""

from __future__ import annotations

import asyncio
from typing import Any

from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.watch import WatchStream
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme

BOOKMARK_S = 60.0


class Watches:
    """The open watches."""

    def __init__(self, resources: Resources, scheme: Scheme) -> None:
        self._resources = resources
        self._open: dict[WatchStream, None] = {}
        self._stopped = False
        scheme.subscribe(self)

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`: ends the kind's watches."""
        for stream in list(self._open):
            if stream.kind is kind:
                stream.finish()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, stream: WatchStream, timeout_s: float) -> None:
        """Adds a started stream, which ends after `timeout_s`."""
        self._open[stream] = None
        stream.on_close = self._closed
        if self._stopped:
            stream.finish()
        else:
            stream.end_at(asyncio.get_running_loop(), timeout_s)

    async def run(self) -> None:
        """Sends bookmarks at intervals. Runs until cancelled."""
        while True:
            await asyncio.sleep(BOOKMARK_S)
            self.bookmark_all()

    def bookmark_all(self) -> None:
        for stream in list(self._open):
            if stream.bookmarks:
                stream.bookmark(stream.reached(self._resources.revision))

    def stop(self) -> None:
        """Ends every watch; a watch that is added later ends at once."""
        self._stopped = True
        for stream in list(self._open):
            stream.finish()

    def _closed(self, stream: WatchStream) -> None:
        self._open.pop(stream, None)
