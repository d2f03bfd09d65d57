"""Feeds the namespace controller. The remaining objects are listed from the server and not from caches: the last object
must really be deleted before the namespace is finalized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.api.core.namespace.kind import NAMESPACE, Namespace
from fairlead.api.meta.types import Object
from fairlead.base.keys import split_key
from fairlead.controllers.cluster.cachedkinds import cached_form
from fairlead.controllers.cluster.namespace.plan import Remains, is_ours, kinds_to_delete, reconcile
from fairlead.controllers.cluster.partial import partial
from fairlead.controllers.context import Context
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.loop import Controller

_ROUNDS = 3
"""Rounds in one reconcile: Pods, all other kinds, and objects created meanwhile."""


def controller(context: Context) -> Controller:
    return _Namespaces(context).controller


class _Namespaces:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._applier = context.applier("namespace-controller")
        self._client = context.client_of("namespace-controller")
        self._namespaces = context.informers.of(NAMESPACE)
        self.controller = Controller("namespace", context.queue(), self._sync)
        self._namespaces.add_handler(self._on_namespace)
        context.scheme.on_use(self._follow)
        context.scheme.subscribe(self)

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`. The kind is followed when it has objects."""

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""
        if (form := cached_form(kind)) is not None:
            self._context.informers.drop(form)

    def _follow(self, kind: Kind[Any]) -> None:
        form = cached_form(kind)
        if form is not None and kind.namespaced:
            self._context.informers.of(form).add_handler(self._on_object)

    def _on_object(self, key: str, old: Object | None, new: Object | None) -> None:
        """Queues the namespace if an object in it was deleted: it may have been the last one."""
        if new is None:
            namespace = self._namespaces.get(split_key(key)[0])
            if namespace is not None and namespace.metadata.deletionTimestamp:
                self.controller.queue.add_after(namespace.metadata.name, 0.02)

    def _on_namespace(self, key: str, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None and new.metadata.deletionTimestamp:
            self.controller.queue.add(key)

    async def _sync(self, key: str) -> float | None:
        namespace = self._namespaces.get(key)
        if namespace is None or not is_ours(namespace):
            return None
        remains = await self._remains(key)
        failures: list[str] = []
        for _ in range(_ROUNDS):
            kinds = kinds_to_delete(remains)
            if failures or not kinds:
                break
            # Most deletions are immediate, so the other kinds follow in the same reconcile once the last Pod is
            # deleted.
            failures = await self._delete(kinds, key)
            remains = await self._remains(key)
        plan = reconcile(namespace, remains, failures, now=self._context.clock.now())
        if plan:
            await self._applier.apply(plan)
        return plan.retry_after

    async def _delete(self, kinds: Sequence[Kind[Any]], namespace: str) -> list[str]:
        """Deletes all objects of the kinds; returns an error message for each kind that failed."""
        failures = []
        for kind in kinds:
            try:
                await self._client.raw("DELETE", kind.path(namespace))
            except StatusError as error:
                failures.append(error.message)
        return failures

    async def _remains(self, namespace: str) -> list[Remains]:
        remains = []
        for kind in self._context.scheme.used():
            if not kind.namespaced:
                continue
            listing = await self._client.list(partial(kind), namespace)
            if listing.items:
                remains.append(Remains(kind, [item.metadata for item in listing.items]))
        return remains
