"""Feeds the Deployment controller: Deployments, their ReplicaSets, and for Recreate the pods of the ReplicaSets."""

from __future__ import annotations

from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.apps.replicaset.kind import REPLICA_SET, ReplicaSet
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.predicates import is_finished
from fairlead.api.meta.types import controller_of
from fairlead.base.keys import join_key, key_of
from fairlead.controllers.context import Context
from fairlead.controllers.workloads.deployment.plan import reconcile
from fairlead.controllers.workloads.podfacts import requirements
from fairlead.runtime.index import Index, by_controller, by_namespace
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan


def controller(context: Context) -> Controller:
    return _Deployments(context).controller


class _Deployments:
    def __init__(self, context: Context) -> None:
        self._clock = context.clock
        self._deployments = context.informers.of(DEPLOYMENT)
        self._sets = context.informers.of(REPLICA_SET)
        pods = context.informers.of(POD)
        self._in_namespace = Index(self._deployments, by_namespace)
        self._sets_in_namespace = Index(self._sets, by_namespace)
        self._pods = Index(pods, by_controller)
        self.controller = Controller(
            "deployment", context.queue(), planned(self._reconcile, context.applier("deployment-controller")), workers=8
        )
        self._deployments.add_handler(lambda key, old, new: self.controller.queue.add(key))
        self._sets.add_handler(self._on_set)
        pods.add_handler(self._on_pod)

    def _on_set(self, key: str, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        for rs in (old, new):
            if rs is None:
                continue
            owner = controller_of(rs.metadata)
            if owner is None:
                self._queue_adopters(rs)
            elif owner.kind == DEPLOYMENT.kind:
                self.controller.queue.add(join_key(rs.metadata.namespace, owner.name))

    def _queue_adopters(self, rs: ReplicaSet) -> None:
        for d in self._in_namespace.get(rs.metadata.namespace):
            selector = requirements(d.spec.selector)
            if selector is not None and selector.matches(rs.metadata.labels):
                self.controller.queue.add(key_of(d.metadata))

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        """Queues a Deployment of type Recreate after one of its pods was deleted or finished; other types do not wait
        for pods."""
        if old is None or (new is not None and not is_finished(new)):
            return
        owner = controller_of(old.metadata)
        rs = self._sets.get(join_key(old.metadata.namespace, owner.name)) if owner else None
        manager = controller_of(rs.metadata) if rs else None
        d = self._deployments.get(join_key(old.metadata.namespace, manager.name)) if manager else None
        if d is not None and d.spec.strategy.type == "Recreate":
            self.controller.queue.add(key_of(d.metadata))

    def _reconcile(self, key: str) -> Plan | None:
        d = self._deployments.get(key)
        if d is None:
            return None
        sets = self._sets_in_namespace.get(d.metadata.namespace)
        pods = {rs.metadata.uid: self._unfinished(rs) for rs in sets} if d.spec.strategy.type == "Recreate" else {}
        return reconcile(d, sets, pods, now=self._clock.now())

    def _unfinished(self, rs: ReplicaSet) -> int:
        return sum(not is_finished(pod) for pod in self._pods.get(rs.metadata.uid))
