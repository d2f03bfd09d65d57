"""Creates the default roles and bindings at the start, and adds to them what is missing.

All writes of a step are made at once, so that the store commits them together. At the first start of a cluster, the
150 objects are written without admission and checks, because no webhook and no quota can exist yet: that halves the
time, and the schemas of these kinds are not read. Later starts compare the objects (1 ms).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.api.rbac.clusterrole.kind import CLUSTER_ROLE
from fairlead.api.rbac.clusterrolebinding.kind import CLUSTER_ROLE_BINDING
from fairlead.api.rbac.role.kind import ROLE
from fairlead.api.rbac.rolebinding.kind import ROLE_BINDING
from fairlead.apiserver.auth.rbac.bootstrap.policy import default_policy
from fairlead.apiserver.auth.rbac.bootstrap.reconcile import must_recreate, updated_binding, updated_role
from fairlead.apiserver.model import internal
from fairlead.apiserver.registry.update import Candidate
from fairlead.apiserver.registry.writers import Writers
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.machinery.kinds.kind import Kind

_Update = Callable[[Any, Any], Any]
_Create = Callable[[Target, Any], Awaitable[None]]


class DefaultPolicy:
    """Keeps the default roles and bindings."""

    def __init__(self, resources: Resources, writers: Writers) -> None:
        self._resources = resources
        self._writers = writers

    async def ensure(self) -> None:
        """Creates or completes all default roles and bindings. Raises StatusError."""
        policy = default_policy()
        create = self._create if self._resources.of(CLUSTER_ROLE).cache else self._create_first
        writes = [
            *self._writes(CLUSTER_ROLE, policy.cluster_roles, updated_role, create),
            *self._writes(ROLE, policy.roles, updated_role, create),
            *self._writes(CLUSTER_ROLE_BINDING, policy.cluster_bindings, updated_binding, create),
            *self._writes(ROLE_BINDING, policy.bindings, updated_binding, create),
        ]
        await asyncio.gather(*(write() for write in writes))

    def _writes(
        self, kind: Kind[Any], wanted: Iterable[Any], updated: _Update, create: _Create
    ) -> Iterable[Callable[[], Any]]:
        """Yields the writes of objects that are missing or lack something."""
        resource = self._resources.of(kind)
        for obj in wanted:
            meta = obj.metadata
            target = Target(resource, meta.namespace, meta.name)
            entry = resource.cache.get(resource.key(meta.namespace, meta.name))
            if entry is None:
                yield partial(create, target, obj)
                continue
            found = entry.decode()
            if updated is updated_binding and must_recreate(found, obj):
                yield partial(self._recreate, target, obj)
            elif updated(found, obj) is not None:
                yield partial(self._update, target, obj, updated)

    async def _create(self, target: Target, obj: Any) -> None:
        parent = Target(target.resource, target.namespace)
        await self._writers.creator.insert(parent, obj, WriteOptions(), internal())

    async def _create_first(self, target: Target, obj: Any) -> None:
        await self._writers.creator.insert_known(target, obj)

    async def _recreate(self, target: Target, obj: Any) -> None:
        await self._writers.deleter.delete(target, DeleteOptions(), internal())
        await self._create(target, obj)

    async def _update(self, target: Target, wanted: Any, updated: _Update) -> None:
        async def change(entry: Entry) -> Candidate:
            found = entry.decode()
            return Candidate(updated(found, wanted) or found)

        await self._writers.updater.update(target, change, WriteOptions(), internal())
