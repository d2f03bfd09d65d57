"""Feeds the creation of claims: pods with ephemeral volumes, and their claims from the first such pod on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.keys import join_key
from fairlead.controllers.context import Context
from fairlead.runtime.informer import Informer
from fairlead.runtime.loop import Controller

if TYPE_CHECKING:
    from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim


def controller(context: Context) -> Controller:
    return _EphemeralClaims(context).controller


class _EphemeralClaims:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._applier = context.applier("ephemeral_volume", account="ephemeral-volume-controller")
        self._claims: Informer[PersistentVolumeClaim] | None = None
        self._pods = context.informers.of(POD)
        self.controller = Controller("ephemeral", context.queue(), self._sync)
        self._pods.add_handler(self._on_pod)

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        if new is None or (old is not None and old.metadata.uid == new.metadata.uid):
            return
        if any(volume.ephemeral is not None for volume in new.spec.volumes):
            self.controller.queue.add(key)

    def _on_claim(self, key: str, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        """Queues the pod of a deleted claim, which is then made again."""
        if old is not None and new is None:
            for ref in old.metadata.ownerReferences:
                if ref.kind == POD.kind:
                    self.controller.queue.add(join_key(old.metadata.namespace, ref.name))

    async def _sync(self, key: str) -> float | None:
        pod = self._pods.get(key)
        if pod is None:
            return None
        if self._claims is None:
            self._claims = self._context.informers.of(PERSISTENT_VOLUME_CLAIM)
            self._claims.add_handler(self._on_claim)
        claims, namespace = self._claims, pod.metadata.namespace
        await claims.synced.wait()
        from fairlead.controllers.storage.ephemeral.plan import reconcile

        plan = reconcile(pod, lambda name: claims.get(join_key(namespace, name)))
        if plan:
            await self._applier.apply(plan)
        return None
