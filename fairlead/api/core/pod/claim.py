"""The claim template inside a pod's generic ephemeral volume."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta.reference import TypedLocalObjectReference, TypedObjectReference
from fairlead.api.meta.types import LabelSelector, ObjectMeta, Record, Resources, Strings
from fairlead.machinery.kind import Atomic, Doc


class VolumeResourceRequirements(Record):
    limits: Annotated[Resources, Doc("The most.")] = {}
    requests: Annotated[Resources, Doc("The least.")] = {}


class PersistentVolumeClaimSpec(Record):
    accessModes: Annotated[Strings, Doc("How it is to be mounted, such as ReadWriteOnce.")] = []
    dataSource: (
        Annotated[TypedLocalObjectReference, Atomic(), Doc("The snapshot or claim it starts as a copy of.")] | None
    ) = None
    dataSourceRef: Annotated[TypedObjectReference, Doc("The same, of any kind and namespace.")] | None = None
    resources: Annotated[VolumeResourceRequirements, Doc("How much storage is asked for.")] = msgspec.field(
        default_factory=VolumeResourceRequirements
    )
    selector: Annotated[LabelSelector, Atomic(), Doc("Which volumes are considered, by their labels.")] | None = None
    storageClassName: Annotated[str, Doc("The class of storage; the cluster's default unless given.")] | None = None
    volumeAttributesClassName: (
        Annotated[str, Doc("The class of further properties, which may be changed later.")] | None
    ) = None
    volumeMode: Annotated[str, Doc("Filesystem or Block.")] | None = None
    volumeName: Annotated[str, Doc("The volume that it was given.")] = ""


class PersistentVolumeClaimTemplate(Record):
    metadata: Annotated[ObjectMeta, Doc("Labels and annotations of the claim.")] = msgspec.field(
        default_factory=ObjectMeta
    )
    spec: Annotated[PersistentVolumeClaimSpec, Doc("What is claimed.")] = msgspec.field(
        default_factory=PersistentVolumeClaimSpec
    )
