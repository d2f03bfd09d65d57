"""Feeds the expansion of claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.controllers.context import Context
from fairlead.controllers.storage.caches import StorageCaches, on_first_claim_or_volume
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan

if TYPE_CHECKING:
    from fairlead.api.core.persistentvolume.types import PersistentVolume
    from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim


def controller(context: Context) -> Controller:
    return _Expansion(context).controller


class _Expansion:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._caches: StorageCaches | None = None
        applier = context.applier("volume_expand", account="expand-controller")
        self.controller = Controller("expansion", context.queue(), planned(self._reconcile, applier))
        on_first_claim_or_volume(context, self._start)

    def _start(self, caches: StorageCaches) -> None:
        self._caches = caches
        caches.claims.add_handler(self._on_claim)
        caches.volumes.add_handler(self._on_volume)

    def _on_claim(self, key: str, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is not None and new.status.phase == "Bound":
            self.controller.queue.add(key)

    def _on_volume(self, key: str, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        assert self._caches is not None
        if old is not None and new is not None and old.spec.capacity != new.spec.capacity:
            for claim in self._caches.claims_by_volume.get(key):
                self.controller.queue.add(f"{claim.metadata.namespace}/{claim.metadata.name}")

    def _reconcile(self, key: str) -> Plan | None:
        claim = self._caches.claims.get(key) if self._caches is not None else None
        volume = self._caches.volumes.get(claim.spec.volumeName) if self._caches is not None and claim else None
        if claim is None or volume is None:
            return None
        from fairlead.controllers.storage.expansion.plan import reconcile

        return reconcile(claim, volume, now=self._context.clock.now())
