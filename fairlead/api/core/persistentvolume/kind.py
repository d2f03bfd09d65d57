"""The PersistentVolume kind: a piece of storage of the cluster."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.accessmodes import CLASS_ANNOTATION, render_access_modes
from fairlead.api.core.amounts import canonicalize
from fairlead.api.core.persistentvolume.rules import (
    given_sources,
    volume_errors,
    volume_transition,
    volume_warnings,
)
from fairlead.api.core.persistentvolume.sources import PersistentVolumeSource
from fairlead.api.core.pod.placement.affinity import NodeSelector
from fairlead.api.core.pod.volumes.volume_defaults import default_network
from fairlead.api.meta.columns import AGE, NAME, UNSET
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import Object, Record, Resources, Strings, Time
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Strategy
from fairlead.machinery.values.status import FieldError


class VolumeNodeAffinity(Record):
    """Choice of the nodes from which a volume can be reached."""

    required: (
        Annotated[NodeSelector, Atomic(), Doc("Selector of the nodes from which the volume can be reached.")] | None
    ) = None


class PersistentVolumeSpec(PersistentVolumeSource):
    """Properties of a piece of storage: its origin, size and access modes."""

    accessModes: Annotated[Strings, Doc("Access modes that the volume supports, such as ReadWriteOnce.")] = []
    capacity: Annotated[Resources, Doc("Size of the volume, as the only resource `storage`.")] = {}
    claimRef: (
        Annotated[
            ObjectReference,
            Doc("Claim that the volume is bound to, or reserved for if the claim does not name the volume."),
        ]
        | None
    ) = None
    mountOptions: Annotated[Strings, Doc("Options of mount(8) for the volume, which are not checked.")] = []
    nodeAffinity: (
        Annotated[
            VolumeNodeAffinity, Doc("Nodes from which the volume can be reached; pods with the volume run only there.")
        ]
        | None
    ) = None
    persistentVolumeReclaimPolicy: Annotated[
        str, Doc("Treatment of the volume after its claim is deleted: Retain (default), Delete or Recycle.")
    ] = ""
    storageClassName: Annotated[str, Doc("Name of the StorageClass of the volume; empty for a volume without.")] = ""
    volumeAttributesClassName: (
        Annotated[str, Doc("Name of the VolumeAttributesClass of the volume; needs a CSI driver.")] | None
    ) = None
    volumeMode: Annotated[str, Doc("Mode in which the volume is used: Filesystem (default) or Block.")] | None = None


class PersistentVolumeStatus(Record):
    """Most recently observed state of a volume: its phase."""

    lastPhaseTransitionTime: Annotated[Time, Doc("Time at which the phase last changed; set by the server.")] | None = (
        None
    )
    message: Annotated[str, Doc("Human-readable explanation of the phase.")] = ""
    phase: Annotated[
        str, Doc("Phase of the volume: Pending, Available (unbound), Bound, Released (claim deleted) or Failed.")
    ] = ""
    reason: Annotated[str, Doc("Reason of a failure as one CamelCase word, for programs.")] = ""


class PersistentVolume(Object):
    """Piece of storage of the cluster, which a PersistentVolumeClaim of a namespace can be bound to."""

    spec: Annotated[PersistentVolumeSpec, Doc("Properties of the volume: its origin, size and access modes.")] = (
        msgspec.field(default_factory=PersistentVolumeSpec)
    )
    status: Annotated[
        PersistentVolumeStatus, Doc("Most recently observed state of the volume; written by the system.")
    ] = msgspec.field(default_factory=PersistentVolumeStatus)


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
