"""The claim template inside a pod's generic ephemeral volume."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import LabelSelector, ObjectMeta, Record, Resources, Strings
from fairlead.api.reference import TypedLocalObjectReference, TypedObjectReference
from fairlead.machinery.kind import Atomic


class VolumeResourceRequirements(Record):
    limits: Resources = {}
    requests: Resources = {}


class PersistentVolumeClaimSpec(Record):
    accessModes: Strings = []
    dataSource: Annotated[TypedLocalObjectReference, Atomic()] | None = None
    dataSourceRef: TypedObjectReference | None = None
    resources: VolumeResourceRequirements = msgspec.field(default_factory=VolumeResourceRequirements)
    selector: Annotated[LabelSelector, Atomic()] | None = None
    storageClassName: str | None = None
    volumeAttributesClassName: str | None = None
    volumeMode: str | None = None
    volumeName: str = ""


class PersistentVolumeClaimTemplate(Record):
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: PersistentVolumeClaimSpec = msgspec.field(default_factory=PersistentVolumeClaimSpec)
