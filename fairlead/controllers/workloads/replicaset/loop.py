"""Feeds the ReplicaSet controller: ReplicaSets, and their pods by owner. Older kinds that keep a number of pods use the
same code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from fairlead.api.apps.replicaset.kind import REPLICA_SET, ReplicaSet
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import Object, controller_of
from fairlead.base.instant import Instant
from fairlead.base.keys import join_key, key_of
from fairlead.controllers.context import Context
from fairlead.controllers.workloads.podfacts import requirements
from fairlead.controllers.workloads.replicaset.plan import Failure, reconcile
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.selectors import LabelRequirements
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.index import Index, by_controller, by_namespace
from fairlead.runtime.loop import Controller
from fairlead.runtime.plan import Plan

T = TypeVar("T", bound=Object)
C = TypeVar("C", bound=Object, contravariant=True)


class Reconcile(Protocol[C]):
    def __call__(
        self, obj: C, pods: Sequence[Pod], related: Sequence[Pod], /, *, failure: Failure | None, now: Instant
    ) -> Plan: ...


def controller(context: Context) -> Controller:

    def selector(rs: ReplicaSet) -> LabelRequirements | None:
        return requirements(rs.spec.selector)

    return Replicas(context, REPLICA_SET, "replicaset-controller", selector, reconcile).controller


class Replicas(Generic[T]):
    """The controller of one kind that keeps a number of pods."""

    def __init__(
        self,
        context: Context,
        kind: Kind[T],
        component: str,
        selector: Callable[[T], LabelRequirements | None],
        reconcile: Reconcile[T],
    ) -> None:
        self._context = context
        self._kind = kind
        self._selector = selector
        self._reconcile = reconcile
        self._applier = context.applier(component)
        self._sets = context.informers.of(kind)
        pods = context.informers.of(POD)
        self._siblings = Index(self._sets, by_controller)
        self._in_namespace = Index(self._sets, by_namespace)
        self._pods = Index(pods, by_controller)
        self._failures: dict[str, Failure] = {}
        self.controller = Controller(kind.singular, context.queue(), self._sync, workers=8)
        self._sets.add_handler(lambda key, old, new: self.controller.queue.add(key))
        pods.add_handler(self._on_pod)

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is None:
                continue
            owner = controller_of(pod.metadata)
            namespace = pod.metadata.namespace
            if owner is None:
                self._queue_adopters(pod)
            elif owner.kind == self._kind.kind:
                self.controller.queue.add(join_key(namespace, owner.name))

    def _queue_adopters(self, pod: Pod) -> None:
        """Queues the sets that may adopt a pod without an owner."""
        for rs in self._in_namespace.get(pod.metadata.namespace):
            selector = self._selector(rs)
            if selector is not None and selector.matches(pod.metadata.labels):
                self.controller.queue.add(key_of(rs.metadata))

    async def _sync(self, key: str) -> float | None:
        rs = self._sets.get(key)
        if rs is None:
            self._failures.pop(key, None)
            return None
        plan = self._reconcile(
            rs, self._candidates(rs), self._related(rs), failure=self._failures.get(key), now=self._context.clock.now()
        )
        if plan:
            try:
                await self._applier.apply(plan)
            except StatusError as error:
                if plan.create or plan.delete:
                    reason = "FailedCreate" if plan.create else "FailedDelete"
                    self._failures[key] = Failure(reason, error.message)
                raise
            self._failures.pop(key, None)
        return plan.retry_after

    def _candidates(self, rs: T) -> list[Pod]:
        return self._pods.get(rs.metadata.uid) + self._pods.get(f"{rs.metadata.namespace}/")

    def _related(self, rs: T) -> list[Pod]:
        owner = controller_of(rs.metadata)
        siblings = self._siblings.get(owner.uid) if owner else [rs]
        return [pod for sibling in siblings for pod in self._pods.get(sibling.metadata.uid)]
