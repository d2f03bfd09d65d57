"""Binds the delayed claims of a pod after its node was chosen, and waits until they are bound."""

from __future__ import annotations

import msgspec

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.types import PersistentVolume
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.base.dataclass import dataclass
from fairlead.base.keys import key_of
from fairlead.machinery.values.status import conflict
from fairlead.runtime.client import Client
from fairlead.runtime.streams import closing
from fairlead.storage.binding import bound_volume
from fairlead.storage.wellknown import BIND_COMPLETED, SELECTED_NODE


@dataclass(slots=True)
class VolumeReservation:
    """Implements `Reservation`. `reserved` has the volumes that are about to be bound, with the keys of their claims:
    other pods do not get them."""

    node: str
    bindings: tuple[tuple[PersistentVolume, PersistentVolumeClaim], ...]
    provisions: tuple[PersistentVolumeClaim, ...]
    reserved: dict[str, str]

    def __post_init__(self) -> None:
        for volume, claim in self.bindings:
            self.reserved[volume.metadata.name] = key_of(claim.metadata)

    async def bind(self, client: Client) -> None:
        """Writes the choice and waits until the binding controller and the provisioner have followed. Raises
        StatusError if the pod must be scheduled anew."""
        for volume, claim in self.bindings:
            changed = bound_volume(volume, claim)
            if changed is not None:
                await client.update(PERSISTENT_VOLUME, changed)
        for claim in self.provisions:
            await self._select(client, claim)
        claims = [*(claim for _, claim in self.bindings), *self.provisions]
        for claim in claims:
            await self._wait_bound(client, claim)
        self.release()

    def release(self) -> None:
        for volume, _ in self.bindings:
            self.reserved.pop(volume.metadata.name, None)

    async def _select(self, client: Client, claim: PersistentVolumeClaim) -> None:
        if claim.metadata.annotations.get(SELECTED_NODE) == self.node:
            return
        annotations = claim.metadata.annotations | {SELECTED_NODE: self.node}
        meta = msgspec.structs.replace(claim.metadata, annotations=annotations)
        await client.update(PERSISTENT_VOLUME_CLAIM, msgspec.structs.replace(claim, metadata=meta))

    async def _wait_bound(self, client: Client, claim: PersistentVolumeClaim) -> None:
        meta = claim.metadata
        current = await client.get(PERSISTENT_VOLUME_CLAIM, meta.name, meta.namespace)
        while not self._is_bound(claim, current):
            changes = client.watch(
                PERSISTENT_VOLUME_CLAIM,
                meta.namespace,
                fields=f"metadata.name={meta.name}",
                resource_version=current.metadata.resourceVersion,
            )
            async with closing(changes) as events:
                async for event in events:
                    if event.type == "DELETED":
                        raise _again(claim, "the claim was deleted")
                    if event.type != "BOOKMARK" and self._is_bound(claim, event.object):
                        return
            current = await client.get(PERSISTENT_VOLUME_CLAIM, meta.name, meta.namespace)

    def _is_bound(self, claim: PersistentVolumeClaim, current: PersistentVolumeClaim) -> bool:
        """Returns whether the claim is bound. Raises StatusError if another choice was made for it."""
        meta = current.metadata
        if meta.uid != claim.metadata.uid:
            raise _again(claim, "the claim was deleted")
        if current.spec.volumeName and BIND_COMPLETED in meta.annotations:
            return True
        if claim in self.provisions and meta.annotations.get(SELECTED_NODE) != self.node:
            raise _again(claim, "provisioning failed")
        return False


def _again(claim: PersistentVolumeClaim, why: str) -> Exception:
    return conflict(PERSISTENT_VOLUME_CLAIM.plural, "", claim.metadata.name, why)
