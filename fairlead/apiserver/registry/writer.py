"""The last steps of every write: allocate, encode, store. The cache and the watchers are up to date on return.

What must stay true: this module makes no decisions about the object, and translates every store error.
`WriteConflict` means that another write came first; the caller decides about a retry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from fairlead.apiserver.allocation.model import Allocations, Reservation
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.resource import Resource, Resources
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError, already_exists, internal_error
from fairlead.store.model import Conflict, Exists, NotFound, StoreError
from fairlead.store.writes import create, delete, replace


class WriteConflict(Exception):
    """The object changed between being read and being written."""


class Writer:
    """Allocates, encodes and stores objects."""

    def __init__(self, resources: Resources, allocations: Allocations) -> None:
        self._resources = resources
        self._store = resources.store
        self._allocations = allocations

    def complete(self, kind: Kind[Any], old: Any, new: Any) -> None:
        """Fills in, before the checks, the fields that depend on the cluster. Raises StatusError 422."""
        if (allocation := self._allocations.of(kind)) is not None:
            allocation.complete(old, new)

    async def insert(self, resource: Resource, obj: Any, *, dry_run: bool) -> Entry:
        """Creates the object. Raises StatusError 409, 422, 500."""
        if obj.metadata.resourceVersion and not dry_run:
            _refuse_version(obj.metadata.resourceVersion)
        form, kind, name = resource.form, resource.kind, obj.metadata.name
        key = resource.key(obj.metadata.namespace, name)
        if resource.cache.get(key) is not None:  # before the allocation, which would refuse the object's own addresses
            raise already_exists(kind.plural, kind.group, name)
        allocation = self._allocations.of(kind)
        reservation = await allocation.reserve(None, obj) if allocation is not None else None
        try:
            value = form.stored(obj)
            if dry_run:
                return Entry(form, key, value, 0)
            write = create(self._store, resource.prefix + key, await resource.stored(value))
            revision = await (write if reservation is None else _await_write(write, reservation))
        except Exists as e:
            await self._resources.wait_for_revision(e.revision)
            raise already_exists(kind.plural, kind.group, name) from e
        except StoreError as e:
            raise unavailable(e) from e
        finally:
            if reservation is not None:
                await reservation.release()
        return await self._written(resource, key, value, revision)

    async def replace(self, resource: Resource, entry: Entry, obj: Any, *, dry_run: bool) -> Entry:
        """Replaces the state in `entry` by the new one; writes nothing if both are equal. Raises WriteConflict."""
        form, kind = resource.form, resource.kind
        allocation = self._allocations.of(kind)
        reservation = await allocation.reserve(entry.decode(), obj) if allocation is not None else None
        try:
            value = form.stored(obj)
            same = form.splice(value, entry.revision)
            if dry_run or same == entry.raw:
                return Entry(form, entry.key, same, entry.revision)
            key = resource.prefix + entry.key
            data = await resource.stored(value)
            write = replace(self._store, key, data, revision=entry.revision, history=kind.keeps_history)
            revision = await (write if reservation is None else _await_write(write, reservation))
        except (Conflict, NotFound) as e:
            await self._caught_up(resource, e.revision, entry.key)
            raise WriteConflict from e
        except StoreError as e:
            raise unavailable(e) from e
        finally:
            if reservation is not None:
                await reservation.release()
        return await self._written(resource, entry.key, value, revision)

    async def remove(self, resource: Resource, entry: Entry, *, dry_run: bool) -> Entry:
        """Removes the object if it is still as in `entry`. Returns its last state. Raises WriteConflict."""
        if dry_run:
            return entry
        try:
            revision = await delete(self._store, resource.prefix + entry.key, revision=entry.revision)
        except (Conflict, NotFound) as e:
            await self._caught_up(resource, e.revision, entry.key)
            raise WriteConflict from e
        except StoreError as e:
            raise unavailable(e) from e
        await self._resources.wait_for_revision(revision)
        return Entry(entry.form, entry.key, resource.form.respliced(entry.raw, revision), revision)

    async def _caught_up(self, resource: Resource, revision: int, key: str) -> None:
        """Waits until the cache has the object as it is at the revision."""
        if self._resources.revision < revision:
            await self._resources.wait_for_revision(revision)
        namespace, _, name = key.rpartition("/")
        await resource.ready(name, namespace)

    async def _written(self, resource: Resource, key: str, value: bytes, revision: int) -> Entry:
        """Returns the written entry after the cache has reached it: the cache's entry unless that is newer already."""
        await self._caught_up(resource, revision, key)
        entry = resource.cache.get(key)
        if entry is not None and entry.revision == revision:
            return entry
        return Entry(resource.form, key, resource.form.splice(value, revision), revision)


def _refuse_version(version: str) -> None:
    """Raises StatusError 500, as upstream does, if a new object names a version that could exist."""
    if version.isascii() and version.isdigit() and 0 < int(version) < 1 << 64:
        raise StatusError(500, "", "resourceVersion should not be set on objects to be created")


async def _await_write(write: Coroutine[Any, Any, int], reservation: Reservation) -> int:
    """Returns the write's revision, and confirms its reservation.

    If the caller is cancelled meanwhile (its client disconnected), the write may still happen. Its numbers must not be
    released before the result is known.
    """
    if reservation.empty:
        return await write
    task = asyncio.ensure_future(write)
    try:
        revision = await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        if not task.cancelled() and task.exception() is None:
            await reservation.confirm()
        raise
    await reservation.confirm()
    return revision


def unavailable(error: StoreError) -> StatusError:
    return internal_error(str(error))
