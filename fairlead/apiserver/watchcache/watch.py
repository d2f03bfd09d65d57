"""One watch: turns changes in the cache into lines on a stream.

What must stay true: a watcher sees every event after its starting revision exactly once and in order. It is subscribed
before its initial events are read, with no await in between. All queued lines are sent together (the edge writes them
as one buffer). A reader with too many unread bytes is dropped and must list again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fairlead.apiserver.watchcache.cache import Entry, Event, EventType, KindCache
from fairlead.apiserver.watchcache.filter import Filter
from fairlead.apiserver.watchcache.writers import JSON_LINES, EventWriter
from fairlead.machinery.kinds.kind import Kind

MAX_PENDING_BYTES = 32 << 20


class WatchStream:
    """The stream of one reader. Implements `Stream`."""

    def __init__(
        self, cache: KindCache, filter: Filter, *, writer: EventWriter = JSON_LINES, bookmarks: bool = False
    ) -> None:
        self._cache = cache
        self._filter = filter
        self._writer = writer
        self._prefix = _prefix(filter)
        """Prefix of the keys whose events are sent unchanged; None if each event must be filtered."""
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self.bookmarks = bookmarks
        self.on_close: Callable[[WatchStream], None] = _nothing
        self.on_overflow: Callable[[], object] = bool
        """Called when the reader has left too many bytes unread: it may be stuck."""

    @property
    def kind(self) -> Kind[Any]:
        return self._cache.kind

    def reached(self, revision: int) -> int:
        """Returns the revision up to which the reader has got all changes, if the store is at the given one."""
        return self._cache.reached(revision)

    @property
    def headers(self) -> Mapping[str, str]:
        return self._writer.headers

    def start(self, initial: Iterable[Entry], past: Iterable[Event]) -> None:
        """Queues the initial objects and the past events, and subscribes to new ones."""
        for entry in initial:
            self._queue(self._writer.entry("ADDED", entry))
        self._pending_bytes = 0  # initial objects do not count against a slow reader
        for event in past:
            self._on_event(event)
        self._cache.listeners[self] = self._on_event

    def end_at(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Ends the stream after so many seconds."""
        self._timer = loop.call_later(seconds, self.finish)

    def bookmark(self, revision: int, *, initial_end: bool = False) -> None:
        """Sends a bookmark: the reader has seen everything up to the revision."""
        self._queue(self._writer.bookmark(self._cache.kind, revision, initial_end=initial_end))

    def finish(self) -> None:
        """Accepts no more events: the reader still gets the queued lines, then the stream ends."""
        if not self._ended:
            self._ended = True
            self._release()
            self._wake()

    def close(self) -> None:
        self._pending = []
        self.finish()

    async def next(self) -> Sequence[bytes]:
        while not self._pending:
            if self._ended:
                return ()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        self._cache.events_sent += len(pending)
        return pending

    def _on_event(self, event: Event) -> None:
        if self._prefix is not None:
            if event.entry.key.startswith(self._prefix):
                self._queue(self._writer.event(event, event.type))
            return
        type = self._type_for_reader(event)
        if type is not None:
            self._queue(self._writer.event(event, type))

    def _type_for_reader(self, event: Event) -> EventType | None:
        """Returns the type of the change for this reader, or None: an object may enter or leave the selection."""
        matches = self._filter.matches
        if not self._filter.selects:
            return event.type if matches(event.entry) else None
        before = event.previous is not None and matches(event.previous)
        if event.type == "DELETED":
            return "DELETED" if before else None
        if matches(event.entry):
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else None

    def _queue(self, line: bytes) -> None:
        if self._ended:
            return
        self._pending.append(line)
        self._pending_bytes += len(line)
        if self._pending_bytes > MAX_PENDING_BYTES:
            self.close()
            self.on_overflow()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _release(self) -> None:
        self._cache.listeners.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
        self.on_close(self)


def _prefix(filter: Filter) -> str | None:
    if filter.selects:
        return None
    return f"{filter.namespace}/" if filter.namespace else ""


def _nothing(_: WatchStream) -> None:
    pass
