"""The writes that bind a claim and a volume to each other; the binding controller and the scheduler share them."""

from __future__ import annotations

import msgspec

from fairlead.api.core.persistentvolume.types import PersistentVolume
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.storage.storageclass.kind import StorageClass
from fairlead.storage.matching import is_for
from fairlead.storage.wellknown import BOUND_BY_CONTROLLER


def reference_to_claim(claim: PersistentVolumeClaim) -> ObjectReference:
    meta = claim.metadata
    return ObjectReference(
        kind="PersistentVolumeClaim",
        apiVersion="v1",
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resourceVersion=meta.resourceVersion,
    )


def bound_volume(volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume | None:
    """Returns the volume bound to the claim; None if it is bound to it already."""
    ref = volume.spec.claimRef
    if ref is not None and is_for(volume, claim) and ref.uid == claim.metadata.uid:
        return None
    meta = volume.metadata
    if not is_for(volume, claim):  # else a user has reserved it
        meta = msgspec.structs.replace(meta, annotations=meta.annotations | {BOUND_BY_CONTROLLER: "yes"})
    spec = msgspec.structs.replace(volume.spec, claimRef=reference_to_claim(claim))
    return msgspec.structs.replace(volume, metadata=meta, spec=spec)


def waits_for_pod(storage_class: StorageClass | None) -> bool:
    """Returns whether claims of the class are bound when the first pod with them is scheduled."""
    return storage_class is not None and storage_class.volumeBindingMode == "WaitForFirstConsumer"
