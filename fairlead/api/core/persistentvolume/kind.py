"""The PersistentVolume kind: a piece of storage of the cluster."""

from collections.abc import Iterator

from fairlead.api.core.accessmodes import CLASS_ANNOTATION, render_access_modes
from fairlead.api.core.amounts import canonicalize
from fairlead.api.core.persistentvolume.rules import (
    given_sources,
    volume_errors,
    volume_transition,
    volume_warnings,
)
from fairlead.api.core.persistentvolume.types import PersistentVolume, PersistentVolumeSpec, PersistentVolumeStatus
from fairlead.api.core.pod.volumes.volume_defaults import default_network
from fairlead.api.meta.columns import AGE, NAME, UNSET
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.kinds.kind import Column, Strategy
from fairlead.machinery.values.status import FieldError


def default_source(spec: PersistentVolumeSpec) -> None:
    """Sets the defaults of a volume's origin and capacity, which it has also within another object."""
    canonicalize(spec.capacity)
    if spec.hostPath is not None and spec.hostPath.type is None:
        spec.hostPath.type = ""
    for name in given_sources(spec):
        default_network(getattr(spec, name))


def _default(volume: PersistentVolume) -> PersistentVolume:
    spec = volume.spec
    volume.status.phase = volume.status.phase or "Pending"
    spec.persistentVolumeReclaimPolicy = spec.persistentVolumeReclaimPolicy or "Retain"
    if spec.volumeMode is None:
        spec.volumeMode = "Filesystem"
    default_source(spec)
    return volume


def _prepare_create(volume: PersistentVolume) -> PersistentVolume:
    volume.status = PersistentVolumeStatus(phase="Pending", lastPhaseTransitionTime=volume.metadata.creationTimestamp)
    return volume


def _time_phase(old: PersistentVolume, new: PersistentVolume, now: Instant) -> None:
    """Sets the time of a change of phase, unless the writer has given another."""
    before, after = old.status, new.status
    if after.phase != before.phase and after.lastPhaseTransitionTime in (None, before.lastPhaseTransitionTime):
        after.lastPhaseTransitionTime = render_time(now)


def _rules(volume: PersistentVolume) -> Iterator[FieldError]:
    yield from volume_errors(volume)


def _claim(volume: PersistentVolume, _: Instant) -> str:
    ref = volume.spec.claimRef
    return f"{ref.namespace}/{ref.name}" if ref is not None else ""


def _phase(volume: PersistentVolume, _: Instant) -> str:
    return "Terminating" if volume.metadata.deletionTimestamp else volume.status.phase


def _class(volume: PersistentVolume, _: Instant) -> str:
    return volume.metadata.annotations.get(CLASS_ANNOTATION, volume.spec.storageClassName)


STRATEGY: Strategy[PersistentVolume] = Strategy(
    type=PersistentVolume,
    columns=(
        NAME,
        Column("Capacity", lambda volume, _: str(volume.spec.capacity.get("storage", "0")), doc="Size of the volume."),
        Column(
            "Access Modes",
            lambda volume, _: render_access_modes(volume.spec.accessModes),
            doc="Access modes that the volume supports.",
        ),
        Column(
            "Reclaim Policy",
            lambda volume, _: volume.spec.persistentVolumeReclaimPolicy,
            doc="Treatment of the volume after its claim is deleted.",
        ),
        Column("Status", _phase, doc="Phase of the volume, or Terminating."),
        Column("Claim", _claim, doc="Namespace and name of the claim that the volume is bound to."),
        Column("StorageClass", _class, doc="Name of the StorageClass of the volume."),
        Column(
            "VolumeAttributesClass",
            lambda volume, _: (
                UNSET if volume.spec.volumeAttributesClassName is None else volume.spec.volumeAttributesClassName
            ),
            doc="Name of the VolumeAttributesClass of the volume.",
        ),
        Column("Reason", lambda volume, _: volume.status.reason, doc="Reason of a failure of the volume."),
        AGE,
        Column(
            "VolumeMode",
            lambda volume, _: volume.spec.volumeMode or UNSET,
            wide=True,
            doc="Mode in which the volume is used: Filesystem or Block.",
        ),
    ),
    default=_default,
    prepare_create=_prepare_create,
    prepare_status=_time_phase,
    rules=_rules,
    transition=volume_transition,
    warnings=volume_warnings,
)
