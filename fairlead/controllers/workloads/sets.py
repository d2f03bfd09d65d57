"""The common part of controllers of sets with a history: caches of sets, pods and revisions, and a queue.

Before the first set exists, nothing is watched and no type of the kinds is imported: most clusters never have one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fairlead.api.apps.controllerrevision import CONTROLLER_REVISION
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import Object, controller_of
from fairlead.base.keys import join_key, key_of
from fairlead.controllers.context import Context
from fairlead.controllers.workloads.podfacts import requirements
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.index import Index, by_controller, by_namespace
from fairlead.runtime.informer import Informer
from fairlead.runtime.loop import Controller
from fairlead.runtime.plan import Plan

if TYPE_CHECKING:
    from fairlead.api.apps.controllerrevision.kind import ControllerRevision

T = TypeVar("T", bound=Object)


class _Caches(Generic[T]):
    """The informers and indexes, made when the first set exists."""

    def __init__(self, context: Context, kind: Kind[T]) -> None:
        self.sets: Informer[T] = context.informers.of(kind)
        self.pods = context.informers.of(POD)
        self.revisions: Informer[ControllerRevision] = context.informers.of(CONTROLLER_REVISION)
        self.sets_in_namespace = Index(self.sets, by_namespace)
        self.pods_by_owner = Index(self.pods, by_controller)
        self.revisions_in_namespace = Index(self.revisions, by_namespace)


class Sets(ABC, Generic[T]):
    """The controller of one kind. A subclass decides in `plan`."""

    def __init__(self, context: Context, kind: Kind[T], component: str, *, account: str = "") -> None:
        self.context = context
        self._kind = kind
        self._applier = context.applier(component, account=account)
        self._caches: _Caches[T] | None = None
        self.controller = Controller(kind.singular, context.queue(), self._sync, workers=8)
        context.scheme.on_use(self._on_use)

    @abstractmethod
    def plan(self, obj: T) -> Plan:
        """Returns the writes for a set."""

    async def prepare(self, obj: T) -> None:
        """Waits for caches that only this set needs."""

    def applied(self, obj: T, plan: Plan) -> None:
        """Notes a plan that is about to be carried out."""

    def forgotten(self, key: str) -> None:
        """Forgets a deleted set."""

    def followed(self) -> None:
        """Adds further handlers when the first set exists."""

    @property
    def caches(self) -> _Caches[T]:
        if self._caches is None:
            raise RuntimeError(f"no {self._kind.kind} is followed yet")
        return self._caches

    def pods_of(self, obj: T) -> list[Pod]:
        """Returns the pods that the set owns, and those of its namespace without an owner."""
        pods = self.caches.pods_by_owner
        return pods.get(obj.metadata.uid) + pods.get(f"{obj.metadata.namespace}/")

    def revisions_of(self, obj: T) -> list[ControllerRevision]:
        """Returns all revisions of the set's namespace."""
        return self.caches.revisions_in_namespace.get(obj.metadata.namespace)

    def queue_all(self) -> None:
        for key in self.caches.sets.items:
            self.controller.queue.add(key)

    def _on_use(self, kind: Kind[Any]) -> None:
        if kind is not self._kind or self._caches is not None:
            return
        caches = self._caches = _Caches(self.context, self._kind)
        caches.sets.add_handler(lambda key, old, new: self.controller.queue.add(key))
        caches.pods.add_handler(self._on_owned)
        caches.revisions.add_handler(self._on_revision)
        self.followed()

    def _on_owned(self, key: str, old: Object | None, new: Object | None) -> None:
        for obj in (old, new):
            if obj is None:
                continue
            owner = controller_of(obj.metadata)
            if owner is None:
                self._queue_adopters(obj)
            elif owner.kind == self._kind.kind:
                self.controller.queue.add(join_key(obj.metadata.namespace, owner.name))

    def _on_revision(self, key: str, old: ControllerRevision | None, new: ControllerRevision | None) -> None:
        """Queues the set if a revision is gone or has another owner. As in upstream, one that another client made
        changes nothing until the set is due for another reason."""
        is_kept = new is not None and controller_of(new.metadata) is not None
        if is_kept and (old is None or _owners(old) == _owners(new)):
            return
        self._on_owned(key, old, new)

    def _queue_adopters(self, obj: Object) -> None:
        """Queues the sets that may adopt an object without an owner."""
        for found in self.caches.sets_in_namespace.get(obj.metadata.namespace):
            spec: Any = getattr(found, "spec")  # noqa: B009 -- each kind of set has a selector
            selector = requirements(spec.selector)
            if selector is not None and selector.matches(obj.metadata.labels):
                self.controller.queue.add(key_of(found.metadata))

    async def _sync(self, key: str) -> float | None:
        obj = self.caches.sets.get(key)
        if obj is None:
            self.forgotten(key)
            return None
        # The first set comes before the lists of its revisions: without them, each would be made again.
        await self.caches.revisions.synced.wait()
        await self.caches.pods.synced.wait()
        await self.prepare(obj)
        plan = self.plan(obj)
        if plan:
            self.applied(obj, plan)
            await self._applier.apply(plan)
            written = [write.kind for write in plan.create] + [write.kind for write in plan.update]
            if CONTROLLER_REVISION in written:
                self.controller.queue.add(key)  # the plan ended with the history: the rest follows
        return plan.retry_after


def _owners(obj: Object | None) -> object:
    return obj.metadata.ownerReferences if obj is not None else None
