"""Types of a PersistentVolume."""

from typing import Annotated

import msgspec

from fairlead.api.core.persistentvolume.sources import PersistentVolumeSource
from fairlead.api.core.pod.placement.affinity import NodeSelector
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import Object, Record, Resources, Strings, Time
from fairlead.machinery.kinds.kind import Atomic, Doc


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
