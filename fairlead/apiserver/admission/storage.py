"""Protects volumes, claims and classes in use from deletion, and lets claims grow only if their class permits.

Source: upstream's admission plug-ins StorageObjectInUseProtection and PersistentVolumeClaimResize.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.storage.storageclass import STORAGE_CLASS
from fairlead.api.storage.volumeattributesclass import VOLUME_ATTRIBUTES_CLASS
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.quantity import parse_quantity

if TYPE_CHECKING:
    from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim

FINALIZERS: dict[Kind[Any], str] = {
    PERSISTENT_VOLUME: "kubernetes.io/pv-protection",
    PERSISTENT_VOLUME_CLAIM: "kubernetes.io/pvc-protection",
    VOLUME_ATTRIBUTES_CLASS: "kubernetes.io/vac-protection",
}
"""The finalizer of each kind; `background/protection.py` removes them."""
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_CANNOT = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


class StorageObjectInUseProtection(AdmissionPlugin):
    """Adds finalizers to new volumes, claims and classes of attributes."""

    name = "StorageObjectInUseProtection"

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "CREATE" and kind in FINALIZERS and not subresource

    async def admit(self, attributes: Attributes) -> None:
        finalizer, metadata = FINALIZERS[attributes.kind], attributes.obj.metadata
        if finalizer not in metadata.finalizers:
            metadata.finalizers.append(finalizer)


class PersistentVolumeClaimResize(AdmissionPlugin):
    """Refuses the growth of a claim whose class does not permit it."""

    name = "PersistentVolumeClaimResize"

    def __init__(self, resources: Resources) -> None:
        self._classes = resources.of(STORAGE_CLASS).cache

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "UPDATE" and kind is PERSISTENT_VOLUME_CLAIM and not subresource

    async def validate(self, attributes: Attributes) -> None:
        old, new = attributes.old, attributes.obj
        if _size(new) <= _size(old):
            return
        if old.status.phase != "Bound":
            raise attributes.denied("Only bound persistent volume claims can be expanded")
        name = _class_name(new)
        entry = self._classes.get(name) if name and name == _class_name(old) else None
        if entry is None or not entry.decode().allowVolumeExpansion:
            raise attributes.denied(_CANNOT)


def _size(claim: PersistentVolumeClaim) -> Any:
    return parse_quantity(str(claim.spec.resources.requests.get("storage", "0")))


def _class_name(claim: PersistentVolumeClaim) -> str:
    return claim.metadata.annotations.get(_CLASS_ANNOTATION) or claim.spec.storageClassName or ""
