"""List and watch: reports every object of one kind to a sink, through outages of the server.

- After a disconnect the watch resumes from the last resourceVersion; after 410, or an unexpected error, it lists again.
- A reported object stays valid until a newer state is known: an outage deletes nothing.

The module knows no kinds: a source decodes, and objects need only a `metadata` with name, namespace and
resourceVersion.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from fairlead.base.dataclass import dataclass
from fairlead.base.log import Log
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.backoff import Backoff
from fairlead.runtime.streams import closing

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
BOOKMARK = "BOOKMARK"
DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a listing; `resource_version` is that of the whole listing."""

    items: Sequence[T]
    resource_version: str


class Source(Protocol[T]):
    """The origin of objects. Both methods raise StatusError, ConnectionError, msgspec.MsgspecError."""

    def pages(self) -> AsyncIterator[Page[T]]:
        """Yields a complete listing."""
        ...

    def batches(self, resource_version: str) -> AsyncIterator[Sequence[tuple[str, T]]]:
        """Yields event types and objects after the version, as many at a time as have arrived."""
        ...


class Sink(Protocol[T_contra]):
    """The receiver of objects. None of the methods may raise."""

    def list_began(self) -> None: ...

    def listed(self, items: Sequence[T_contra]) -> None:
        """Receives part of a listing."""
        ...

    def list_ended(self, resource_version: str) -> None:
        """Ends a listing: objects known before and not listed have been deleted."""
        ...

    def changed(self, type: str, item: T_contra) -> None:
        """Receives an event of the watch, bookmarks too."""
        ...

    def batch_ended(self) -> None:
        """Called after a batch of changes, as a good moment to act on them."""
        ...

    def lost(self, error: Exception) -> None:
        """Called if the server cannot be reached: known objects may be out of date."""
        ...


class Reflector(Generic[T]):
    """Feeds one sink from one source (client-go's term)."""

    def __init__(self, source: Source[T], sink: Sink[T], *, backoff: Backoff, name: str, log: Log) -> None:
        """Watches the source. `name` stands for the kind in log messages."""
        self._source = source
        self._sink = sink
        self._backoff = backoff
        self._name = name
        self._log = log
        self._resume_from = ""
        self.synced = asyncio.Event()
        """Set after the first complete listing."""

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                if not self._resume_from:
                    await self._list()
                await self._follow()
            except OSError as error:
                self._sink.lost(error)
                self._log.debug("watch lost", kind=self._name, error=error)
            except (StatusError, msgspec.MsgspecError) as error:
                self._resume_from = ""
                if not (isinstance(error, StatusError) and error.code == 410):
                    self._log.warn("list or watch failed", kind=self._name, error=error)
            await asyncio.sleep(self._backoff.next())

    async def _list(self) -> None:
        self._sink.list_began()
        version = ""
        async with closing(self._source.pages()) as pages:
            async for page in pages:
                self._sink.listed(page.items)
                version = page.resource_version
        self._sink.list_ended(version)
        self._resume_from = version
        self._backoff.reset()
        self.synced.set()

    async def _follow(self) -> None:
        async with closing(self._source.batches(self._resume_from)) as batches:
            async for batch in batches:
                for type_, item in batch:
                    self._resume_from = version_of(item)
                    self._sink.changed(type_, item)
                self._sink.batch_ended()
                self._backoff.reset()


def version_of(item: Any) -> str:
    version: str = item.metadata.resourceVersion
    return version
