"""A cache of one kind's objects, kept up to date by a `Reflector` through outages of the server.

- The cache is never behind our own writes: `wrote` and `deleted` enter them before the watch reports them, so no
  controller needs "expectations". A watch event older than the cached object is dropped.
- Handlers run at once, in the event loop, and only for changes. An exception of a handler is logged.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, TypeVar, cast

import msgspec

from fairlead.api.meta.types import Object
from fairlead.base.instant import Instant, render_time
from fairlead.base.keys import key_of
from fairlead.base.log import SILENT, Log
from fairlead.base.tasks import Nursery
from fairlead.machinery.kinds.declared import is_loaded
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.backoff import Backoff
from fairlead.runtime.client import Client
from fairlead.runtime.reflector import BOOKMARK, DELETED, Page, Reflector
from fairlead.runtime.revisions import revision_of
from fairlead.runtime.streams import closing

T = TypeVar("T", bound=Object)
Handler = Callable[[str, T | None, T | None], object]
"""`handler(key, old, new)`: a new object comes with None as `old`, a deleted one with None as `new`."""

_RETRY_BASE_S = 0.05
_RETRY_CAP_S = 2.0


class Informer(Generic[T]):
    """The cached objects are `items`, by key; `synced` is set after the first complete list."""

    def __init__(
        self,
        client: Client,
        kind: Kind[T],
        *,
        fields: str = "",
        labels: str = "",
        log: Log = SILENT,
    ) -> None:
        self.kind = kind
        self.items: dict[str, T] = {}
        self.interrupted = False
        """True from the loss of the server until its next answer: the cache may be old."""
        self.own_write = False
        """True while handlers are called for a write of this process: a kind's only writer need not reconcile again."""
        self._log = log
        self._handlers: list[Handler[T]] = []
        self._on_return: list[Callable[[], object]] = []
        self._revision = 0
        self._listed: set[str] = set()
        # Seeded by the resource and selectors: informers reconnect at different times after an outage, equally in every
        # run.
        rng = random.Random(f"{kind.resource} {fields} {labels}")
        self._reflector = Reflector(
            _ClientSource(client, kind, fields=fields, labels=labels),
            self,
            backoff=Backoff(base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S, rng=rng),
            name=kind.plural,
            log=log,
        )
        self.synced = self._reflector.synced

    @property
    def revision(self) -> int:
        """Returns the revision up to which the handlers have been called for all changes."""
        return self._revision

    def get(self, key: str) -> T | None:
        return self.items.get(key)

    def add_handler(self, handler: Handler[T]) -> None:
        """Calls the handler for every object in the cache now, and for every change from now on."""
        self._handlers.append(handler)
        for key, item in list(self.items.items()):
            handler(key, None, item)

    def add_return_handler(self, handler: Callable[[], object]) -> None:
        """Adds a handler of the server's return after an interruption. Called before the new state enters the cache."""
        self._on_return.append(handler)

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._reflector.run()

    def wrote(self, obj: T) -> None:
        """Enters the answer to our own write, unless the watch has reported that write or a later one already."""
        revision = revision_of(obj.metadata)
        if revision <= self._revision:
            return
        key = key_of(obj.metadata)
        old = self.items.get(key)
        if old is None or revision_of(old.metadata) < revision:
            self.own_write = True
            self._put(key, old, obj)
            self.own_write = False

    def deleted(self, key: str, uid: str, now: Instant) -> None:
        """Marks a deleted object as terminating until the watch reports its removal."""
        old = self.items.get(key)
        if old is None or old.metadata.uid != uid or old.metadata.deletionTimestamp:
            return
        meta = msgspec.structs.replace(old.metadata, deletionTimestamp=render_time(now))
        self._put(key, old, msgspec.structs.replace(old, metadata=meta))

    def list_began(self) -> None:
        """Implements `Sink`, like the next five methods."""
        self._listed = set()

    def listed(self, items: Sequence[T]) -> None:
        self._received()
        for item in items:
            key = key_of(item.metadata)
            self._listed.add(key)
            cached = self.items.get(key)
            if cached is None or revision_of(cached.metadata) < revision_of(item.metadata):
                self._put(key, cached, item)

    def list_ended(self, resource_version: str) -> None:
        self._received()
        revision = int(resource_version or 0)
        for key, old in list(self.items.items()):
            if key not in self._listed and revision_of(old.metadata) <= revision:
                self._remove(key, old)
        self._listed = set()
        self._revision = max(self._revision, revision)

    def changed(self, type: str, item: T) -> None:
        self._received()
        meta = item.metadata
        revision = revision_of(meta)
        self._revision = max(self._revision, revision)
        if type == BOOKMARK:
            return
        key = key_of(meta)
        old = self.items.get(key)
        cached = revision_of(old.metadata) if old else -1
        if type == DELETED:
            if old is not None and cached <= revision:
                self._remove(key, old)
        elif cached < revision:
            self._put(key, old, item)

    def batch_ended(self) -> None:
        """Does nothing: the handlers have been called for each change."""

    def lost(self, error: Exception) -> None:
        self.interrupted = True

    def _received(self) -> None:
        if self.interrupted:
            self.interrupted = False
            for handler in self._on_return:
                handler()

    def _put(self, key: str, old: T | None, new: T) -> None:
        self.items[key] = new
        self._notify(key, old, new)

    def _remove(self, key: str, old: T) -> None:
        del self.items[key]
        self._notify(key, old, None)

    def _notify(self, key: str, old: T | None, new: T | None) -> None:
        for handler in self._handlers:
            try:
                handler(key, old, new)
            except Exception as error:  # noqa: BLE001 -- a guard: one bad object must not end the watch
                self._log.error("handler failed", kind=self.kind.plural, key=key, error=repr(error))


class _ClientSource(Generic[T]):
    """Implements `Source` over the typed client."""

    def __init__(self, client: Client, kind: Kind[T], *, fields: str, labels: str) -> None:
        self._client = client
        self._kind = kind
        self._namespace = _namespace_of(fields) if kind.namespaced else ""
        self._fields = fields
        self._labels = labels

    async def pages(self) -> AsyncIterator[Page[T]]:
        listing = await self._client.list(self._kind, self._namespace, labels=self._labels, fields=self._fields)
        yield Page(listing.items, listing.resource_version)

    async def batches(self, resource_version: str) -> AsyncIterator[Sequence[tuple[str, T]]]:
        stream = self._client.watch(
            self._kind,
            self._namespace,
            labels=self._labels,
            fields=self._fields,
            resource_version=resource_version,
        )
        async with closing(stream) as events:
            async for event in events:
                yield ((event.type, event.object),)


def _namespace_of(fields: str) -> str:
    """Returns the namespace that a field selector requires, or "". A request for one namespace needs a role in that
    namespace only."""
    terms = (term.split("=", 1) for term in fields.split(",") if "=" in term)
    return next((value for key, value in terms if key == "metadata.namespace"), "")


class InformerSet:
    """The informers of a process: one for each (kind, fields, labels), shared by all users."""

    def __init__(self, client: Client, *, log: Log = SILENT) -> None:
        self._client = client
        self._log = log
        self._informers: dict[tuple[str, str, str], Informer[Any]] = {}
        self._tasks: dict[tuple[str, str, str], asyncio.Task[Any]] = {}
        self._nursery: Nursery | None = None

    def of(self, kind: Kind[T], *, fields: str = "", labels: str = "") -> Informer[T]:
        """Returns the informer; a new one starts at once if the set is running."""
        key = (_name(kind), fields, labels)
        informer = self._informers.get(key)
        if informer is None:
            informer = Informer(self._client, kind, fields=fields, labels=labels, log=self._log)
            self._informers[key] = informer
            if self._nursery is not None:
                self._tasks[key] = self._nursery.spawn(informer.run())
        return cast("Informer[T]", informer)

    def cached(self, kind: Kind[T]) -> Informer[T] | None:
        """Returns the unfiltered informer of the kind, if it exists."""
        return self._informers.get((_name(kind), "", ""))

    def drop(self, kind: Kind[Any]) -> None:
        """Ends the kind's informers, and with them the calls of their handlers, after the kind was removed."""
        name = _name(kind)
        for key in [key for key in self._informers if key[0] == name]:
            del self._informers[key]
            if (task := self._tasks.pop(key, None)) is not None:
                task.cancel()

    async def run(self) -> None:
        """Runs until cancelled."""
        async with Nursery() as nursery:
            self._nursery = nursery
            for key, informer in list(self._informers.items()):
                self._tasks[key] = nursery.spawn(informer.run())
            await asyncio.Future()

    async def wait_synced(self) -> None:
        """Waits until every informer has its first complete list."""
        for informer in list(self._informers.values()):
            await informer.synced.wait()


def _name(kind: Kind[Any]) -> str:
    """Returns the name of the resource and of the type as which it is read. Does not load the module of a kind, which
    an informer without objects does not need."""
    return f"{kind.resource} {kind.type.__name__ if is_loaded(kind) else kind.kind}"
