"""The kinds as the server serves them: where their objects lie in the store, and their caches.

Keys are laid out as upstream's `/registry`, so that another server could open the same data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fairlead.apiserver.watchcache.cache import EncodedForm, Entry, KindCache
from fairlead.apiserver.watchcache.conversion import VIEWS, ViewCache
from fairlead.machinery.kind import Kind
from fairlead.machinery.status import StatusError, conflict, not_found
from fairlead.store.model import Change, Damaged, Record, Store, StoreError, Watch

# Upstream keeps some kinds under other names than their plurals.
_FOLDERS = {
    "services": "services/specs",
    "endpoints": "services/endpoints",
    "nodes": "minions",
    "leases.coordination.k8s.io": "leases",
    "deployments.apps": "deployments",
    "replicasets.apps": "replicasets",
    "controllerrevisions.apps": "controllerrevisions",
    "endpointslices.discovery.k8s.io": "endpointslices",
    "replicationcontrollers": "controllers",
    "ingresses.networking.k8s.io": "ingress",
    "ingressclasses.networking.k8s.io": "ingressclasses",
    "networkpolicies.networking.k8s.io": "networkpolicies",
    "ipaddresses.networking.k8s.io": "ipaddresses",
    "servicecidrs.networking.k8s.io": "servicecidrs",
}
ROOT = "/registry/"


class Resource:
    """One kind with its cache."""

    def __init__(self, kind: Kind[Any], prefix: str, cache: KindCache) -> None:
        self.kind = kind
        self.prefix = prefix
        self.cache = cache

    @property
    def form(self) -> EncodedForm:
        return self.cache.form

    def key(self, namespace: str, name: str) -> str:
        """The cache's key; the store's is `prefix` before it."""
        return f"{namespace}/{name}" if self.kind.namespaced else name

    def find(self, namespace: str, name: str) -> Entry:
        """The object, or StatusError 404."""
        entry = self.cache.get(f"{namespace}/{name}" if self.kind.namespaced else name)
        if entry is None:
            raise self.not_found(name)
        return entry

    def not_found(self, name: str) -> StatusError:
        return not_found(self.kind.plural, self.kind.group, name)

    def conflict(self, name: str, why: str) -> StatusError:
        return conflict(self.kind.plural, self.kind.group, name, why)


def kept(kind: Kind[Any]) -> Resource:
    """Of a kind whose objects lie in the store under its own name."""
    folder = _FOLDERS.get(kind.resource) or (f"{kind.group}/{kind.plural}" if kind.group else kind.plural)
    return Resource(kind, f"{ROOT}{folder}/", KindCache(kind))


class Resources:
    """All kinds, and the store's changes on their way into the caches."""

    def __init__(self, kinds: Iterable[Kind[Any]], store: Store) -> None:
        self.store = store
        self.revision = 0
        """All caches hold exactly the state of this revision."""
        self._watch: Watch | None = None
        self._lost = asyncio.Event()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._kept = {kind: kept(kind) for kind in kinds if not kind.view}
        self._all = [self._kept.get(kind) or self._view(kind) for kind in kinds]
        self._by_prefix = {resource.prefix: resource for resource in self._kept.values()}
        self._by_plural = {(r.kind.group, r.kind.version, r.kind.plural): r for r in self._all}

    def _view(self, kind: Kind[Any]) -> Resource:
        view = VIEWS[kind]
        source = self._kept[view.source]
        return Resource(kind, source.prefix, ViewCache(kind, source.cache, view))

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._all)

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_plural.get((group, version, plural))

    def of(self, kind: Kind[Any]) -> Resource:
        return self._by_plural[(kind.group, kind.version, kind.plural)]

    async def load(self) -> None:
        """Fills the caches from the store and follows it from there. Raises StoreError; Damaged for an object that
        cannot be read."""
        page = await self.store.list(ROOT)
        sorted_out = self._sorted_out(page.records)
        for resource in self._all:
            resource.cache.load(resource.prefix, sorted_out.get(resource.prefix, []), page.revision)
        self.revision = page.revision
        self._watch = await self.store.watch(ROOT, page.revision, self)

    async def reached(self, revision: int) -> None:
        """Waits until the caches show the effect of the revision. In-process stores are there already."""
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
            sorted_out = self._sorted_out(page.records)
            for resource in self._kept.values():
                resource.cache.catch_up(resource.prefix, sorted_out.get(resource.prefix, []), page.revision)
            self.on_changes((), page.revision)
            self._watch = await self.store.watch(ROOT, page.revision, self)

    def stop(self) -> None:
        """Follows the store no longer."""
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
            sorted_out.setdefault(resource.prefix, []).append(record)
            if why := resource.form.problem(record.value):
                bad[record.key] = why
        if bad:
            raise Damaged("; ".join(f'object "{key}" is unreadable ({why})' for key, why in bad.items()))
        return sorted_out

    def _owner(self, key: str) -> Resource | None:
        end = key.find("/", len(ROOT)) + 1
        return self._by_prefix.get(key[:end]) or self._by_prefix.get(key[: key.find("/", end) + 1])
