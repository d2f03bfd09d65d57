"""Feeds the StatefulSet controller: StatefulSets, their pods and revisions, and claims from the first set with some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.apps.statefulset import STATEFUL_SET
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.base.keys import key_of
from fairlead.controllers.context import Context
from fairlead.controllers.workloads.sets import Sets
from fairlead.runtime.index import Index, by_namespace
from fairlead.runtime.informer import Informer
from fairlead.runtime.loop import Controller
from fairlead.runtime.plan import Plan

if TYPE_CHECKING:
    from fairlead.api.apps.statefulset.kind import StatefulSet
    from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim


def controller(context: Context) -> Controller:
    return _StatefulSets(context).controller


class _StatefulSets(Sets["StatefulSet"]):
    def __init__(self, context: Context) -> None:
        self._claims: Informer[PersistentVolumeClaim] | None = None
        self._claims_in_namespace: Index[PersistentVolumeClaim] | None = None
        super().__init__(context, STATEFUL_SET, "statefulset-controller")

    async def prepare(self, obj: StatefulSet) -> None:
        if not obj.spec.volumeClaimTemplates:
            return
        if self._claims is None:
            self._claims = self.context.informers.of(PERSISTENT_VOLUME_CLAIM)
            self._claims_in_namespace = Index(self._claims, by_namespace)
            self._claims.add_handler(self._on_claim)
        await self._claims.synced.wait()

    def plan(self, obj: StatefulSet) -> Plan:
        from fairlead.controllers.workloads.statefulset.plan import reconcile

        found = self._claims_in_namespace.get(obj.metadata.namespace) if self._claims_in_namespace else []
        return reconcile(
            obj,
            self.pods_of(obj),
            self.revisions_of(obj),
            {claim.metadata.name: claim for claim in found},
            now=self.context.clock.now(),
        )

    def _on_claim(self, key: str, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        """Queues the sets whose claim was created, terminates or is gone: pods may wait for that."""
        changed = new or old
        if changed is None or (old is not None and new is not None and _facts(old) == _facts(new)):
            return
        for found in self.caches.sets_in_namespace.get(changed.metadata.namespace):
            names = (f"{template.metadata.name}-{found.metadata.name}-" for template in found.spec.volumeClaimTemplates)
            if any(changed.metadata.name.startswith(name) for name in names):
                self.controller.queue.add(key_of(found.metadata))


def _facts(claim: PersistentVolumeClaim) -> tuple[object, ...]:
    return bool(claim.metadata.deletionTimestamp), claim.metadata.ownerReferences
