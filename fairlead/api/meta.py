"""What every object carries (`metav1`): names, labels, owners, versions. Source: apimachinery `meta/v1`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from fairlead.machinery.kind import Atomic, Format, ListMap, SetList

Time = Annotated[str, Format("date-time")]
"""RFC 3339, kept as the text it travels as; `machinery.instant` converts."""
MicroTime = Annotated[str, Format("date-time-micro")]
Labels = dict[str, str]
Int32 = Annotated[int, Format("int32")]
Int64 = Annotated[int, Format("int64")]
Base64 = Annotated[str, Format("byte")]
IntOrString = Annotated[int | str, Format("int-or-string")]
Quantity = Annotated[str | int | float, Format("quantity")]
"""An amount such as `100m` or `64Mi`; numbers are accepted and become texts when the object is defaulted."""
Resources = dict[str, Quantity]
Strings = Annotated[list[str], Atomic()]
BY_NAME = ListMap(keys=("name",), patch_key="name")
BY_TYPE = ListMap(keys=("type",), patch_key="type")


def empty_list() -> list[Any]:
    """As a default factory: an empty list that is written as `[]` (msgspec leaves out what `list` makes)."""
    return []


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A value inside an object. Attributes are the wire names; what equals its default is not written.

    A field that upstream writes even when it is empty has a default factory (`int`, `str`, a record's type),
    which msgspec never takes for a default.
    """


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
    fieldsV1: msgspec.Raw = msgspec.Raw()
    """Left as bytes: objects are read far oftener than anybody asks who owns what."""
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
    observedGeneration: Int64 = 0
    lastTransitionTime: Time | None = None
    reason: str = msgspec.field(default_factory=str)
    message: str = msgspec.field(default_factory=str)


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    """The one owner that manages the object, if any."""
    return next((ref for ref in meta.ownerReferences if ref.controller), None)
