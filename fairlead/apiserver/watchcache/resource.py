"""The served kinds with their caches and their places in the store.

Keys have the layout of upstream's `/registry`, so that another server could open the same data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from fairlead.apiserver.watchcache.cache import EncodedForm, Entry, Event, KindCache
from fairlead.apiserver.watchcache.conversion import ConvertedCache
from fairlead.apiserver.watchcache.exchanges import Exchanges
from fairlead.apiserver.watchcache.mirror import Mirror, SourceCache
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError, conflict, not_found
from fairlead.store.model import Change, Damaged, Record, Store, StoreError, Watch

ROOT = "/registry/"


class Resource:
    """One kind with its cache."""

    def __init__(self, kind: Kind[Any], prefix: str, cache: KindCache) -> None:
        self.kind = kind
        self.prefix = prefix
        self.cache = cache
        self.form: EncodedForm = cache.form

    def key(self, namespace: str, name: str) -> str:
        """Returns the cache's key; the store's key has `prefix` before it."""
        return f"{namespace}/{name}" if self.kind.namespaced else name

    def find(self, namespace: str, name: str) -> Entry:
        """Returns the object. Raises StatusError 404."""
        entry = self.cache.get(f"{namespace}/{name}" if self.kind.namespaced else name)
        if entry is None:
            raise self.not_found(name)
        return entry

    async def ready(self, name: str = "", namespace: str = "") -> None:
        """Waits until the cache has the present state of the object, or of all objects. Raises StatusError if objects
        cannot be converted."""
        if isinstance(self.cache, Mirror):
            await self.cache.ready(self.key(namespace, name) if name else "")

    async def stored(self, value: bytes) -> bytes:
        """Returns an object's bytes in the version in which it is stored. Raises StatusError."""
        return await self.cache.stored(value) if isinstance(self.cache, Mirror) else value

    def refreshed(self, record: Record) -> Record:
        """Returns a record of the store in the present form of the kind, whose schema may have changed since."""
        refresh = getattr(self.kind.__dict__.get("own_codec"), "refreshed", None)
        if refresh is None or isinstance(self.cache, SourceCache):
            return record
        try:
            return msgspec.structs.replace(record, value=refresh(record.value))
        except (msgspec.MsgspecError, ValueError):
            return record  # the check of the records names it

    def not_found(self, name: str) -> StatusError:
        return not_found(self.kind.plural, self.kind.group, name)

    def conflict(self, name: str, why: str) -> StatusError:
        return conflict(self.kind.plural, self.kind.group, name, why)


def checked(form: EncodedForm, records: Sequence[Record]) -> Sequence[Record]:
    """Returns the records. Raises Damaged if one of them is unreadable."""
    if bad := {record.key: why for record in records if (why := form.problem(record.value))}:
        raise Damaged("; ".join(f'object "{key}" is unreadable ({why})' for key, why in bad.items()))
    return records


class Resources:
    """The kinds of a Scheme; passes the store's changes to their caches."""

    def __init__(self, scheme: Scheme, store: Store) -> None:
        self.store = store
        self.revision = 0
        """All caches have exactly the state of this revision."""
        self._watch: Watch | None = None
        self._lost = asyncio.Event()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._stored: dict[Kind[Any], Resource] = {}
        self._by_prefix: dict[str, Resource] = {}
        self.served: dict[tuple[str, str, str], Resource] = {}
        self.exchanges = Exchanges()
        self._loading: dict[str, list[Change]] = {}
        """Changes that arrive while a kind is being added, by the kind's prefix."""
        self._lists = 0
        """Number of times that everything was listed again because changes were lost."""
        self._scheme = scheme
        scheme.track_use()
        for kind in scheme:
            if kind.conversion is None:
                self._store(self._own(kind))
            self._serve(kind)
        scheme.subscribe(self)

    def _own(self, kind: Kind[Any]) -> Resource:
        """Returns the resource of a kind that owns objects in the store."""
        cache = KindCache(kind) if kind.remote is None else SourceCache(kind)
        return Resource(kind, f"{ROOT}{kind.folder}/", cache)

    def _store(self, resource: Resource) -> None:
        self._stored[resource.kind] = resource
        self._by_prefix[resource.prefix] = resource
        self._report_use(resource)

    def _serve(self, kind: Kind[Any]) -> None:
        storage = self.stored(kind)
        resource = storage
        if kind.remote is not None:
            resource = Resource(kind, storage.prefix, Mirror(kind, storage.cache))
        elif kind.conversion is not None:
            resource = Resource(kind, storage.prefix, ConvertedCache(kind, storage.cache, kind.conversion))
        self.served[kind.group, kind.version, kind.plural] = resource

    def _report_use(self, resource: Resource) -> None:
        """Reports the kind as used at once if it has objects, else at its first object."""
        kind, listeners = resource.kind, resource.cache.listeners
        if resource.cache:
            self._scheme.mark_used(kind)
            return

        def first(_: Event) -> None:
            del listeners[first]
            self._scheme.mark_used(kind)

        listeners[first] = first

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`: loads the kind's objects from the store. Raises StoreError; Damaged for an
        unreadable object."""
        if kind.conversion is None:
            resource = self._own(kind)
            if resource.prefix in self._by_prefix:
                raise ValueError(f"folder {kind.folder} of {kind.resource} belongs to another kind in the store")
            await self._load(resource)
            self._store(resource)
        self._serve(kind)

    async def _load(self, resource: Resource) -> None:
        changes = self._loading[resource.prefix] = []
        try:
            while True:
                lists = self._lists
                changes.clear()
                page = await self.store.list(resource.prefix)
                await self.wait_for_revision(page.revision)
                if lists == self._lists:
                    break
        finally:
            del self._loading[resource.prefix]
        records = [resource.refreshed(record) for record in page.records]
        resource.cache.load(resource.prefix, checked(resource.form, records), page.revision)
        for change in changes:
            if change.revision > page.revision:
                resource.cache.apply(change.key[len(resource.prefix) :], change)

    async def kind_renewed(self, kind: Kind[Any]) -> None:
        """Brings the kept objects to the new form of the kind. Their revisions stay."""
        served = self.of(kind).cache
        if isinstance(served, Mirror):
            served.forget()
            return
        resource = self._stored.get(kind)
        refresh = getattr(kind.own_codec, "refreshed", None)
        if resource is not None and refresh is not None:
            for entry in resource.cache.select():
                entry.raw = refresh(entry.raw)

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`. The objects stay in the store."""
        resource = self.served.pop((kind.group, kind.version, kind.plural), None)
        if resource is None:
            return
        if self._stored.pop(kind, None) is not None:
            del self._by_prefix[resource.prefix]
        if isinstance(resource.cache, ConvertedCache | Mirror):
            resource.cache.detach()

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self.served.values()))

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self.served.get((group, version, plural))

    def of(self, kind: Kind[Any]) -> Resource:
        return self.served[(kind.group, kind.version, kind.plural)]

    def stored(self, kind: Kind[Any]) -> Resource:
        """Returns the kind's objects as they are stored."""
        return self._stored[kind.conversion.storage if kind.conversion is not None else kind]

    async def load(self) -> None:
        """Fills the caches from the store and follows its changes. Raises StoreError; Damaged for an unreadable
        object."""
        page = await self.store.list(ROOT)
        sorted_out = self._sorted_out(page.records)
        for resource in self._stored.values():
            resource.cache.load(resource.prefix, sorted_out.get(resource.prefix, []), page.revision)
            if resource.prefix in sorted_out:
                self._scheme.mark_used(resource.kind)
        self.revision = page.revision
        self._watch = await self.store.watch(ROOT, page.revision, self)

    async def wait_for_revision(self, revision: int) -> None:
        """Waits until the caches have reached the revision; returns at once for an in-process store."""
        if self.revision >= revision:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((revision, waiter))
        await waiter

    def on_changes(self, changes: Sequence[Change], revision: int) -> None:
        """Implements `Watcher`."""
        for change in changes:
            self.revision = change.revision
            resource = self._owner(change.key)
            if resource is not None:
                resource.cache.apply(change.key[len(resource.prefix) :], change)
            elif self._loading:
                for prefix, changes in self._loading.items():
                    if change.key.startswith(prefix):
                        changes.append(change)
        self.revision = revision
        if self._waiters:
            self._wake()

    def on_lost(self, error: StoreError) -> None:
        """Implements `Watcher`."""
        self._lost.set()

    async def follow(self) -> None:
        """Lists again each time the watch has lost changes. Runs until cancelled."""
        while True:
            await self._lost.wait()
            page = await self.store.list(ROOT)
            self._lost.clear()
            self._lists += 1
            sorted_out = self._sorted_out(page.records)
            for resource in self._stored.values():
                resource.cache.relist(resource.prefix, sorted_out.get(resource.prefix, []), page.revision)
            self.on_changes((), page.revision)
            self._watch = await self.store.watch(ROOT, page.revision, self)

    def stop(self) -> None:
        """Stops following the store."""
        if self._watch is not None:
            self._watch.cancel()

    def _wake(self) -> None:
        waiting, self._waiters = self._waiters, []
        for revision, waiter in waiting:
            if revision > self.revision:
                self._waiters.append((revision, waiter))
            elif not waiter.done():
                waiter.set_result(None)

    def _sorted_out(self, records: Sequence[Record]) -> dict[str, list[Record]]:
        """Returns the records by their resource's prefix. Raises Damaged."""
        sorted_out: dict[str, list[Record]] = {}
        bad: dict[str, str] = {}
        for record in records:
            resource = self._owner(record.key)
            if resource is None:
                continue
            record = resource.refreshed(record)
            sorted_out.setdefault(resource.prefix, []).append(record)
            if why := resource.form.problem(record.value):
                bad[record.key] = why
        if bad:
            raise Damaged("; ".join(f'object "{key}" is unreadable ({why})' for key, why in bad.items()))
        return sorted_out

    def _owner(self, key: str) -> Resource | None:
        end = key.find("/", len(ROOT)) + 1
        return self._by_prefix.get(key[:end]) or self._by_prefix.get(key[: key.find("/", end) + 1])
