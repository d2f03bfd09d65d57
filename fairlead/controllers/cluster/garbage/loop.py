"""Feeds the garbage collector: metadata of every kind that can own or be owned, by uid.

An owner that is missing in the caches may exist (the caches may be behind); the server is asked before a dependent is
deleted.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from fairlead.api.meta.types import Object, ObjectMeta, OwnerReference
from fairlead.controllers.cluster.cachedkinds import cached_form
from fairlead.controllers.cluster.garbage.plan import (
    Item,
    is_misplaced,
    is_named_by,
    misplaced_warning,
    reconcile,
    waiting_for,
)
from fairlead.controllers.cluster.partial import partial
from fairlead.controllers.context import Context
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.informer import Informer
from fairlead.runtime.loop import Controller
from fairlead.runtime.plan import EventRecord

_ACCOUNT = "generic-garbage-collector"
_MOST_DELETED = 5000
_UNSYNCED_RETRY_S = 0.05
"""Until a cache has its first list, dependents may be unknown: nothing is released or deleted meanwhile."""
_SYNC_LIMIT_S = 30.0
"""A cache that cannot be filled for so long (the kind's conversion fails) holds back nothing more, as upstream does."""


def controller(context: Context) -> Controller:
    return _Garbage(context).controller


class _Garbage:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._applier = context.applier("garbage-collector-controller", account=_ACCOUNT)
        self._client = context.client_of(_ACCOUNT)
        self._informers: dict[str, Informer[Any]] = {}
        self._unsynced: dict[str, tuple[Informer[Any], float]] = {}
        """Informers without a complete list, and until when the collector waits for them."""
        self._kinds: dict[str, Kind[Any]] = {}
        self._locations: dict[str, str] = {}
        self._owned: dict[str, set[str]] = {}
        self._deleted: OrderedDict[str, None] = OrderedDict()
        """Uids of deleted objects, and `_place` of owners that the server does not have."""
        self.controller = Controller("garbage", context.queue(), self._sync, workers=8)
        context.scheme.on_use(self._follow)
        context.scheme.subscribe(self)

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`. The kind is followed when it has objects."""

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`. Removing a kind says nothing about the existence of its objects, so no dependents
        are deleted."""
        form = self._kinds.get(kind.resource)
        if kind.conversion is not None or form is None:
            return
        for key, obj in self._informers[kind.resource].items.items():
            location = f"{kind.resource}|{key}"
            self._locations.pop(obj.metadata.uid, None)
            for ref in obj.metadata.ownerReferences:
                self._disown(ref.uid, location)
        del self._kinds[kind.resource], self._informers[kind.resource]
        self._unsynced.pop(kind.resource, None)
        self._context.informers.drop(form)

    def _follow(self, kind: Kind[Any]) -> None:
        form = cached_form(kind)
        if form is not None:
            self._kinds[kind.resource] = form
            informer = self._informers[kind.resource] = self._context.informers.of(form)
            self._unsynced[kind.resource] = informer, self._context.clock.monotonic() + _SYNC_LIMIT_S
            informer.add_handler(self._handler(kind.resource))

    def _handler(self, resource: str) -> Callable[[str, Object | None, Object | None], None]:
        def on_change(key: str, old: Object | None, new: Object | None) -> None:
            if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
                self._on_deleted(f"{resource}|{key}", old.metadata)
                old = None
            if new is not None:
                self._on_changed(f"{resource}|{key}", old.metadata if old else None, new.metadata)

        return on_change

    def _on_changed(self, location: str, old: ObjectMeta | None, new: ObjectMeta) -> None:
        self._locations[new.uid] = location
        before = {ref.uid for ref in old.ownerReferences} if old else frozenset()
        after = {ref.uid for ref in new.ownerReferences} if new.ownerReferences else frozenset()
        if old is not None and old.ownerReferences != new.ownerReferences:  # the owner may no longer be blocked
            self._add_all(self._locations[uid] for uid in before & after if uid in self._locations)
        for uid in before - after:
            self._disown(uid, location)
        for uid in after - before:
            self._owned.setdefault(uid, set()).add(location)
        leaves = bool(new.deletionTimestamp) and bool(new.finalizers)
        if leaves:
            self.controller.queue.add(location)
            self._add_all(self._owned.get(new.uid, ()))
        elif after != before or (after and old is None):
            self.controller.queue.add(location)

    def _on_deleted(self, location: str, meta: ObjectMeta) -> None:
        self._locations.pop(meta.uid, None)
        self._record_deleted(meta.uid)
        for ref in meta.ownerReferences:
            self._disown(ref.uid, location)
        self._add_all(self._owned.get(meta.uid, ()))

    def _disown(self, owner: str, location: str) -> None:
        owned = self._owned.get(owner)
        if owned is not None:
            owned.discard(location)
            if not owned:
                del self._owned[owner]
        if owner in self._locations:
            self.controller.queue.add(self._locations[owner])

    def _add_all(self, locations: Any) -> None:
        for location in sorted(locations):
            self.controller.queue.add(location)

    async def _sync(self, location: str) -> float | None:
        item = self._item(location)
        if item is None or not (item.meta.ownerReferences or item.meta.finalizers):
            return None
        if not self._has_synced():
            return _UNSYNCED_RETRY_S
        owners = {} if item.meta.deletionTimestamp else await self._owners(item)
        circular = waiting_for(item, self._dependents)
        plan = reconcile(item, owners, self._dependents(item), circular=circular)
        if warnings := self._warnings(item):
            plan = dataclasses.replace(plan, events=warnings)
        if plan:
            await self._applier.apply(plan)
        return plan.retry_after

    def _has_synced(self) -> bool:
        """Returns whether every cache has had its first complete list, or time enough for it."""
        if self._unsynced:
            now = self._context.clock.monotonic()
            left = (
                (name, (i, end)) for name, (i, end) in self._unsynced.items() if not i.synced.is_set() and now < end
            )
            self._unsynced = dict(left)
        return not self._unsynced

    def _dependents(self, item: Item) -> list[Item]:
        dependents = map(self._item, sorted(self._owned.get(item.meta.uid, ())))
        return [d for d in dependents if d is not None and not is_misplaced(item, d)]

    def _item(self, location: str) -> Item | None:
        resource, _, key = location.partition("|")
        informer = self._informers.get(resource)
        obj = informer.get(key) if informer is not None else None
        return None if obj is None else Item(self._kinds[resource], obj)

    async def _owners(self, item: Item) -> dict[str, ObjectMeta | None]:
        owners: dict[str, ObjectMeta | None] = {}
        for ref in item.meta.ownerReferences:
            owner = self._cached_owner(ref)
            kind = self._kind_of(ref)
            if kind is not None and kind.namespaced and not item.kind.namespaced:
                continue
            if owner is not None and is_named_by(owner, ref, item):
                owners[ref.uid] = owner.meta
            elif (owner is None and ref.uid in self._deleted) or _place(ref, item) in self._deleted:
                owners[ref.uid] = None
            elif kind is not None:
                owners[ref.uid] = await self._fetch_owner(kind, ref, item)
        return owners

    def _cached_owner(self, ref: OwnerReference) -> Item | None:
        return self._item(self._locations[ref.uid]) if ref.uid in self._locations else None

    def _warnings(self, item: Item) -> tuple[EventRecord, ...]:
        if item.meta.deletionTimestamp:
            return ()
        found = ((ref, self._cached_owner(ref)) for ref in item.meta.ownerReferences)
        return tuple(misplaced_warning(item, ref) for ref, owner in found if owner and is_misplaced(owner, item))

    def _kind_of(self, ref: OwnerReference) -> Kind[Any] | None:
        group, _, version = ref.apiVersion.rpartition("/")
        return self._context.scheme.by_gvk(group, version, ref.kind)

    async def _fetch_owner(self, kind: Kind[Any], ref: OwnerReference, item: Item) -> ObjectMeta | None:
        """Asks the server for an owner that is not in the caches."""
        try:
            namespace = item.meta.namespace if kind.namespaced else ""
            owner = await self._client.get(partial(kind), ref.name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
        else:
            if owner.metadata.uid == ref.uid:
                return owner.metadata
        self._record_deleted(_place(ref, item))
        return None

    def _record_deleted(self, owner: str) -> None:
        self._deleted[owner] = None
        if len(self._deleted) > _MOST_DELETED:
            self._deleted.popitem(last=False)


def _place(ref: OwnerReference, item: Item) -> str:
    """Returns the key of an owner that the server does not have at this place; elsewhere it may exist."""
    return f"{ref.apiVersion}|{ref.kind}|{item.meta.namespace}|{ref.name}|{ref.uid}"
