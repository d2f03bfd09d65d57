"""Finds the volume for a claim. Source of the rules and texts: upstream's persistent volume controller.

A volume that is reserved for the claim comes first, then the smallest of those with the fewest further access modes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from fractions import Fraction

from fairlead.api.core.accessmodes import CLASS_ANNOTATION
from fairlead.api.core.amounts import value
from fairlead.api.core.persistentvolume.types import PersistentVolume
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.machinery.values.selectors import from_label_selector


def class_of_claim(claim: PersistentVolumeClaim) -> str:
    """Returns the name of the claim's storage class; empty for a claim without."""
    return claim.metadata.annotations.get(CLASS_ANNOTATION) or claim.spec.storageClassName or ""


def class_of_volume(volume: PersistentVolume) -> str:
    return volume.metadata.annotations.get(CLASS_ANNOTATION) or volume.spec.storageClassName


def requested_size(claim: PersistentVolumeClaim) -> Fraction:
    return value(str(claim.spec.resources.requests.get("storage", 0)))


def size_of(volume: PersistentVolume) -> Fraction:
    return value(str(volume.spec.capacity.get("storage", 0)))


def is_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Returns whether the volume is bound to the claim, or reserved for a claim of its name."""
    ref, meta = volume.spec.claimRef, claim.metadata
    if ref is None or (ref.namespace, ref.name) != (meta.namespace, meta.name):
        return False
    return ref.uid in ("", meta.uid)


def mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim) -> str:
    """Returns why the volume cannot serve a claim that names it; empty if it can."""
    if volume.metadata.deletionTimestamp:
        return f'the volume is marked for deletion "{volume.metadata.name}"'
    if size_of(volume) < requested_size(claim):
        return "requested PV is too small"
    if class_of_volume(volume) != class_of_claim(claim):
        return "storageClassName does not match"
    if not _same_attributes(volume, claim):
        return "volumeAttributesClassName does not match"
    if not same_mode(volume, claim):
        return "incompatible volumeMode"
    if not _has_modes(volume, claim):
        return "incompatible accessMode"
    return ""


def same_mode(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return (volume.spec.volumeMode or "Filesystem") == (claim.spec.volumeMode or "Filesystem")


def best_volume(
    claim: PersistentVolumeClaim,
    volumes: Iterable[PersistentVolume],
    *,
    reserved_only: bool = False,
    reachable: Callable[[PersistentVolume], bool] | None = None,
    excluded: Collection[str] = (),
) -> PersistentVolume | None:
    """Returns the volume to bind to the claim. With `reserved_only`, volumes that are not reserved for the claim are
    skipped. The scheduler gives `reachable`, whether a node can use a volume, and `excluded`, names of volumes that
    other claims of the pod get."""
    fitting = [
        volume
        for volume in volumes
        if volume.metadata.name not in excluded and _may_serve(volume, claim) and _has_modes(volume, claim)
    ]
    for volume in fitting:
        if is_for(volume, claim):
            return volume if reachable is None or reachable(volume) else None
    if reserved_only:
        return None
    free = [volume for volume in fitting if _is_free(volume, claim) and (reachable is None or reachable(volume))]
    return min(free, key=_order, default=None)


def _order(volume: PersistentVolume) -> tuple[int, Fraction, str]:
    return len(volume.spec.accessModes), size_of(volume), volume.metadata.name


def _may_serve(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return (
        (volume.spec.claimRef is None or is_for(volume, claim))
        and size_of(volume) >= requested_size(claim)
        and same_mode(volume, claim)
        and _same_attributes(volume, claim)
        and not volume.metadata.deletionTimestamp
    )


def _is_free(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return (
        volume.status.phase == "Available"
        and class_of_volume(volume) == class_of_claim(claim)
        and (claim.spec.selector is None or from_label_selector(claim.spec.selector).matches(volume.metadata.labels))
    )


def _has_modes(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return set(claim.spec.accessModes) <= set(volume.spec.accessModes)


def _same_attributes(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return (volume.spec.volumeAttributesClassName or "") == (claim.spec.volumeAttributesClassName or "")
