"""Feeds the binding of claims and volumes. One worker: two claims must not be given the same volume at once.

Keys are `claim namespace/name` and `volume name`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.keys import join_key, key_of
from fairlead.controllers.context import Context
from fairlead.controllers.storage.caches import StorageCaches, on_first_claim_or_volume
from fairlead.runtime.index import Index
from fairlead.runtime.loop import Controller
from fairlead.runtime.plan import Plan
from fairlead.storage.podclaims import claims_of

if TYPE_CHECKING:
    from fairlead.api.core.persistentvolume.types import PersistentVolume
    from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
    from fairlead.api.storage.storageclass.kind import StorageClass

_NAME = "persistentvolume-controller"
_ACCOUNT = "persistent-volume-binder"


def controller(context: Context) -> Controller:
    return _Binding(context).controller


class _Binding:
    def __init__(self, context: Context) -> None:
        self._applier = context.applier(_NAME, account=_ACCOUNT)
        self._context = context
        self._caches: StorageCaches | None = None
        self._waiting: Index[Pod] | None = None
        self.controller = Controller("persistentvolume-binder", context.queue(), self._sync, workers=1)
        on_first_claim_or_volume(context, self._start)

    def _start(self, caches: StorageCaches) -> None:
        self._caches = caches
        pods = self._context.informers.of(POD)
        self._waiting = Index(pods, _waits_for)
        pods.add_handler(self._on_pod)
        caches.claims.add_handler(self._on_claim)
        caches.volumes.add_handler(self._on_volume)
        caches.classes.add_handler(self._on_class)

    def _add_claim(self, claim: PersistentVolumeClaim) -> None:
        self.controller.queue.add(f"claim {key_of(claim.metadata)}")

    def _on_claim(self, key: str, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        assert self._caches is not None
        self.controller.queue.add(f"claim {key}")
        for volume in self._caches.volumes_by_claim.get(key):
            self.controller.queue.add(f"volume {volume.metadata.name}")

    def _on_volume(self, key: str, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        assert self._caches is not None
        self.controller.queue.add(f"volume {key}")
        for claim in self._caches.claims_by_volume.get(key):
            self._add_claim(claim)
        ref = new.spec.claimRef if new is not None else None
        if ref is not None:
            self.controller.queue.add(f"claim {join_key(ref.namespace, ref.name)}")
        elif new is not None and new.status.phase == "Available":
            self._retry_unbound()

    def _on_class(self, key: str, old: StorageClass | None, new: StorageClass | None) -> None:
        self._retry_unbound()

    def _retry_unbound(self) -> None:
        assert self._caches is not None
        for claim in self._caches.unbound.get(""):
            self._add_claim(claim)

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        """Queues the claims of a new pod without a node, whose events then name the pod."""
        if old is None and new is not None:
            for claim in _waits_for(new):
                self.controller.queue.add(f"claim {claim}")

    async def _sync(self, key: str) -> float | None:
        if self._caches is None:
            return None
        await self._caches.wait_synced()
        plan = self._reconcile(key)
        if plan:
            await self._applier.apply(plan)
        return plan.retry_after if plan is not None else None

    def _reconcile(self, key: str) -> Plan | None:
        from fairlead.controllers.storage.binding.claims import reconcile_claim
        from fairlead.controllers.storage.binding.state import State
        from fairlead.controllers.storage.binding.volumes import reconcile_volume

        assert self._caches is not None
        assert self._waiting is not None
        what, _, name = key.partition(" ")
        state = State(
            volumes=self._caches.volumes.items,
            claims=self._caches.claims.items,
            classes=self._caches.classes.items,
            waiting_pods=[pod.metadata.name for pod in self._waiting.get(name)] if what == "claim" else (),
        )
        if what == "claim":
            claim = state.claims.get(name)
            return reconcile_claim(claim, state) if claim is not None else None
        volume = state.volumes.get(name)
        return reconcile_volume(volume, state) if volume is not None else None


def _waits_for(pod: Pod) -> list[str]:
    """Returns the keys of the claims of a pod without a node."""
    if pod.spec.nodeName or pod.metadata.deletionTimestamp:
        return []
    return [join_key(pod.metadata.namespace, found.claim) for found in claims_of(pod)]
