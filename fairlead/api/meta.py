"""What every object carries (`metav1`): names, labels, owners, versions. Source: apimachinery `meta/v1`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.machinery.kind import Atomic, Format, ListMap, SetList

Time = Annotated[str, Format("date-time")]
"""RFC 3339, kept as the text it travels as; `machinery.instant` converts."""
MicroTime = Annotated[str, Format("date-time-micro")]
Labels = dict[str, str]


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A value inside an object. Attributes are the wire names; what equals its default is not written."""


class OwnerReference(Record):
    apiVersion: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    blockOwnerDeletion: bool | None = None


class ManagedFieldsEntry(Record):
    manager: str = ""
    operation: str = ""
    apiVersion: str = ""
    time: Time | None = None
    fieldsType: str = ""
    fieldsV1: msgspec.Raw | None = None
    subresource: str = ""


class ObjectMeta(Record):
    """`resourceVersion` and `uid` are the server's; in the store `resourceVersion` is absent."""

    resourceVersion: str = ""
    name: str = ""
    generateName: str = ""
    namespace: str = ""
    selfLink: str = ""
    uid: str = ""
    generation: Annotated[int, Format("int64")] = 0
    creationTimestamp: Time | None = None
    deletionTimestamp: Time | None = None
    deletionGracePeriodSeconds: Annotated[int, Format("int64")] | None = None
    labels: Labels = {}
    annotations: Labels = {}
    ownerReferences: Annotated[list[OwnerReference], ListMap(keys=("uid",), patch_key="uid")] = []
    finalizers: Annotated[list[str], SetList(merge=True)] = []
    managedFields: Annotated[list[ManagedFieldsEntry], Atomic()] = []


class Object(Record):
    """A top-level object: `kind`, `apiVersion`, `metadata` come first on the wire."""

    kind: str = ""
    apiVersion: str = ""
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)


class LabelSelectorRequirement(Record):
    key: str = ""
    operator: str = ""
    values: Annotated[list[str], Atomic()] = []


class LabelSelector(Record):
    matchLabels: Labels = {}
    matchExpressions: Annotated[list[LabelSelectorRequirement], Atomic()] = []


class Condition(Record):
    """`metav1.Condition`."""

    type: str = ""
    status: str = ""
    observedGeneration: Annotated[int, Format("int64")] = 0
    lastTransitionTime: Time | None = None
    reason: str = ""
    message: str = ""


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    """The one owner that manages the object, if any."""
    return next((ref for ref in meta.ownerReferences if ref.controller), None)
