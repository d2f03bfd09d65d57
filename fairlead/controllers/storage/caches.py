"""The caches of volumes, claims and classes, made when the first claim or volume exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.storage.storageclass import STORAGE_CLASS
from fairlead.base.keys import join_key
from fairlead.controllers.context import Context
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.index import Index
from fairlead.runtime.informer import Informer, InformerSet

if TYPE_CHECKING:
    from fairlead.api.core.persistentvolume.types import PersistentVolume
    from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
    from fairlead.api.storage.storageclass.kind import StorageClass


class StorageCaches:
    """The informers, and the indexes by which a change finds the objects that it concerns."""

    def __init__(self, informers: InformerSet) -> None:
        self.claims: Informer[PersistentVolumeClaim] = informers.of(PERSISTENT_VOLUME_CLAIM)
        self.volumes: Informer[PersistentVolume] = informers.of(PERSISTENT_VOLUME)
        self.classes: Informer[StorageClass] = informers.of(STORAGE_CLASS)
        self.unbound = Index(self.claims, _unbound)
        """The claims that are not bound yet, under the empty text."""
        self.claims_by_volume = Index(self.claims, lambda claim: filter(None, [claim.spec.volumeName]))
        self.volumes_by_claim = Index(self.volumes, _claim_key)

    async def wait_synced(self) -> None:
        for informer in (self.claims, self.volumes, self.classes):
            await informer.synced.wait()


def on_first_claim_or_volume(context: Context, start: Callable[[StorageCaches], object]) -> None:
    """Calls `start` once, when the first claim or volume exists."""
    started = False

    def on_use(kind: Kind[Any]) -> None:
        nonlocal started
        if kind in (PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM) and not started:
            started = True
            start(StorageCaches(context.informers))

    context.scheme.on_use(on_use)


def _unbound(claim: PersistentVolumeClaim) -> Iterable[str]:
    return () if claim.status.phase in ("Bound", "Lost") else ("",)


def _claim_key(volume: PersistentVolume) -> Iterable[str]:
    ref = volume.spec.claimRef
    return () if ref is None else (join_key(ref.namespace, ref.name),)
