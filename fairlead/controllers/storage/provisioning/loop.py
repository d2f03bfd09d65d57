"""Feeds the provisioner: claims without a volume, and volumes without a claim.

Keys are `claim namespace/name` and `volume name`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.base.keys import join_key
from fairlead.controllers.context import Context
from fairlead.controllers.storage.caches import StorageCaches, on_first_claim_or_volume
from fairlead.runtime.loop import Controller
from fairlead.storage.wellknown import PROVISIONER

if TYPE_CHECKING:
    from fairlead.api.core.persistentvolume.types import PersistentVolume
    from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
    from fairlead.api.storage.storageclass.kind import StorageClass
    from fairlead.controllers.storage.provisioning.directories import Directories

_ACCOUNT = "persistent-volume-binder"
_RETRY_S = 15.0
"""Seconds after which a refused or failed step is tried again, as external provisioners do."""


def controller(context: Context, *, directories: Directories) -> Controller:
    return _Provisioning(context, directories).controller


class _Provisioning:
    def __init__(self, context: Context, directories: Directories) -> None:
        self._applier = context.applier(PROVISIONER, account=_ACCOUNT)
        self._directories = directories
        self._caches: StorageCaches | None = None
        self._tidy = False
        self.controller = Controller("provisioner", context.queue(), self._sync)
        on_first_claim_or_volume(context, self._start)

    def _start(self, caches: StorageCaches) -> None:
        self._caches = caches
        caches.claims.add_handler(self._on_claim)
        caches.volumes.add_handler(self._on_volume)
        caches.classes.add_handler(self._on_class)

    def _on_claim(self, key: str, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is not None and not new.spec.volumeName:
            self.controller.queue.add(f"claim {key}")

    def _on_volume(self, key: str, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is not None and new.status.phase in ("Released", "Failed"):
            self.controller.queue.add(f"volume {key}")

    def _on_class(self, key: str, old: StorageClass | None, new: StorageClass | None) -> None:
        assert self._caches is not None
        for claim in self._caches.unbound.get(""):
            self.controller.queue.add(f"claim {join_key(claim.metadata.namespace, claim.metadata.name)}")

    async def _sync(self, key: str) -> float | None:
        if self._caches is None:
            return None
        await self._caches.wait_synced()
        if not self._tidy:
            self._tidy = True
            await self._remove_leftovers(self._caches)
        what, _, name = key.partition(" ")
        if what == "claim":
            claim = self._caches.claims.get(name)
            return await self._provision(self._caches, claim) if claim is not None else None
        volume = self._caches.volumes.get(name)
        return await self._delete(volume) if volume is not None else None

    async def _remove_leftovers(self, caches: StorageCaches) -> None:
        """Removes the empty directories of claims that were deleted before they had a volume, while no provisioner
        ran."""
        from fairlead.controllers.storage.provisioning import plan

        claims = {plan.directory_name(claim) for claim in caches.claims.items.values()}
        volumes = {plan.directory_of(v) for v in caches.volumes.items.values() if v.spec.hostPath is not None}
        await self._directories.remove_empty(claims | volumes)

    async def _provision(self, caches: StorageCaches, claim: PersistentVolumeClaim) -> float | None:
        from fairlead.controllers.storage.provisioning import plan
        from fairlead.storage.matching import class_of_claim
        from fairlead.storage.wellknown import STORAGE_PROVISIONER

        storage_class = caches.classes.get(class_of_claim(claim))
        asked = claim.metadata.annotations.get(STORAGE_PROVISIONER[1]) == PROVISIONER
        if storage_class is None or not asked or not plan.is_due(claim, storage_class):
            return None
        if caches.volumes.get(plan.volume_name(claim)) is not None:
            return None  # the binding controller has not bound it yet
        if why := plan.problem(claim, storage_class):
            await self._applier.apply(plan.refusal(claim, storage_class, why))
            return _RETRY_S
        name = plan.directory_name(claim)
        try:
            await self._directories.make(name)
        except OSError as error:
            await self._applier.apply(plan.refusal(claim, storage_class, str(error)))
            return _RETRY_S
        await self._applier.apply(plan.provision(claim, storage_class, self._directories.path(name)))
        return None

    async def _delete(self, volume: PersistentVolume) -> float | None:
        from fairlead.controllers.storage.provisioning import plan

        if not plan.is_deletable(volume):
            return None
        try:
            await self._directories.remove(plan.directory_of(volume))
        except OSError as error:
            await self._applier.apply(plan.failed_deletion(volume, str(error)))
            return _RETRY_S
        await self._applier.apply(plan.deletion(volume))
        return None
