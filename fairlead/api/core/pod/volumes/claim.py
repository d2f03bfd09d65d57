"""The claim template inside a pod's generic ephemeral volume."""

from typing import Annotated

import msgspec

from fairlead.api.meta.reference import TypedLocalObjectReference, TypedObjectReference
from fairlead.api.meta.types import LabelSelector, ObjectMeta, Record, Resources, Strings
from fairlead.machinery.kinds.kind import Atomic, Doc


class VolumeResourceRequirements(Record):
    """Minimum and maximum amount of storage for a claimed volume."""

    limits: Annotated[Resources, Doc("Maximum amounts of storage that the claim accepts.")] = {}
    requests: Annotated[Resources, Doc("Minimum amounts of storage that the claim needs.")] = {}


class PersistentVolumeClaimSpec(Record):
    """Properties of the volume that a claim asks for: its size, access modes and storage class."""

    accessModes: Annotated[Strings, Doc("Access modes that the volume must support, such as ReadWriteOnce.")] = []
    dataSource: (
        Annotated[
            TypedLocalObjectReference,
            Atomic(),
            Doc("Volume snapshot or claim in the same namespace whose contents the volume starts with."),
        ]
        | None
    ) = None
    dataSourceRef: (
        Annotated[
            TypedObjectReference,
            Doc("Object of any kind, optionally of another namespace, whose contents the volume starts with."),
        ]
        | None
    ) = None
    resources: Annotated[VolumeResourceRequirements, Doc("Minimum and maximum amounts of storage.")] = msgspec.field(
        default_factory=VolumeResourceRequirements
    )
    selector: (
        Annotated[LabelSelector, Atomic(), Doc("Label selector of the volumes that may be bound to the claim.")] | None
    ) = None
    storageClassName: (
        Annotated[str, Doc("Name of the storage class; the cluster's default class if absent.")] | None
    ) = None
    volumeAttributesClassName: (
        Annotated[str, Doc("Name of the class of volume attributes, which may be changed after creation.")] | None
    ) = None
    volumeMode: Annotated[str, Doc("Mode in which the volume is used: Filesystem (default) or Block.")] | None = None
    volumeName: Annotated[str, Doc("Name of the volume that is bound to the claim.")] = ""


class PersistentVolumeClaimTemplate(Record):
    """Template of the claim that is created together with a pod for one of its volumes."""

    metadata: Annotated[ObjectMeta, Doc("Labels and annotations of the claim; no other fields are allowed.")] = (
        msgspec.field(default_factory=ObjectMeta)
    )
    spec: Annotated[PersistentVolumeClaimSpec, Doc("Specification of the claim that is created for the pod.")] = (
        msgspec.field(default_factory=PersistentVolumeClaimSpec)
    )
