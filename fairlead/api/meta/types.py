"""What every object carries (`metav1`): names, labels, owners, versions. Source: apimachinery `meta/v1`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from fairlead.machinery.kind import Atomic, Doc, Format, ListMap, SetList

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
    apiVersion: Annotated[str, Doc("The owner's version.")] = ""
    kind: Annotated[str, Doc("The owner's kind.")] = ""
    name: Annotated[str, Doc("The owner's name.")] = ""
    uid: Annotated[str, Doc("The owner's uid.")] = ""
    controller: Annotated[bool, Doc("Whether the owner manages this object; one owner at most does.")] | None = None
    blockOwnerDeletion: (
        Annotated[bool, Doc("Whether an owner deleted in the foreground waits for this object.")] | None
    ) = None


class ManagedFieldsEntry(Record):
    manager: Annotated[str, Doc("Who set the fields.")] = ""
    operation: Annotated[str, Doc("Apply or Update.")] = ""
    apiVersion: Annotated[str, Doc("The version that the fields are named in.")] = ""
    time: Annotated[Time, Doc("When they were last set.")] | None = None
    fieldsType: Annotated[str, Doc("The form of fieldsV1.")] = ""
    fieldsV1: Annotated[msgspec.Raw, Doc("The fields.")] = msgspec.Raw()
    """Left as bytes: objects are read far oftener than anybody asks who owns what."""
    subresource: Annotated[str, Doc("The subresource they were set through.")] = ""


class ObjectMeta(Record):
    """`resourceVersion` and `uid` are the server's; in the store `resourceVersion` is absent."""

    resourceVersion: Annotated[
        str, Doc("Its version: changes with every write; an update that names an older one is refused.")
    ] = ""
    name: Annotated[str, Doc("Its name, unique in its namespace for its kind.")] = ""
    generateName: Annotated[str, Doc("A beginning that the server makes a unique name of, where none is given.")] = ""
    namespace: Annotated[str, Doc("The namespace it is in.")] = ""
    selfLink: Annotated[str, Doc("No longer used.")] = ""
    uid: Annotated[str, Doc("Which object this is, for ever; another of the same name has another.")] = ""
    generation: Annotated[int, Format("int64"), Doc("How often what is wanted has changed.")] = 0
    creationTimestamp: Annotated[Time, Doc("When it was made.")] | None = None
    deletionTimestamp: (
        Annotated[Time, Doc("When it is to be gone; set by the server when somebody deletes it.")] | None
    ) = None
    deletionGracePeriodSeconds: Annotated[int, Format("int64"), Doc("How long it was given to end.")] | None = None
    labels: Annotated[Labels, Doc("What it is selected by.")] = {}
    annotations: Annotated[Labels, Doc("What tools note about it.")] = {}
    ownerReferences: Annotated[
        list[OwnerReference],
        ListMap(keys=("uid",), patch_key="uid"),
        Doc("The objects it belongs to; when all are gone, it goes too."),
    ] = []
    finalizers: Annotated[list[str], SetList(merge=True), Doc("Who must do something before it may go.")] = []
    managedFields: Annotated[list[ManagedFieldsEntry], Atomic(), Doc("Who set which of its fields.")] = []


class Object(Record):
    """A top-level object: `kind`, `apiVersion`, `metadata` come first on the wire."""

    kind: Annotated[str, Doc("What sort of object it is.")] = ""
    apiVersion: Annotated[str, Doc("The version of the API it is written for.")] = ""
    metadata: Annotated[ObjectMeta, Doc("Its name, labels and the like.")] = msgspec.field(default_factory=ObjectMeta)


class LabelSelectorRequirement(Record):
    key: Annotated[str, Doc("The label.")] = ""
    operator: Annotated[str, Doc("In, NotIn, Exists or DoesNotExist.")] = ""
    values: Annotated[list[str], Atomic(), Doc("For In and NotIn: the values.")] = []


class LabelSelector(Record):
    matchLabels: Annotated[Labels, Doc("Labels that must be exactly so.")] = {}
    matchExpressions: Annotated[
        list[LabelSelectorRequirement], Atomic(), Doc("Conditions on labels; all must hold.")
    ] = []


class Condition(Record):
    """`metav1.Condition`."""

    type: Annotated[str, Doc("What it is about.")] = ""
    status: Annotated[str, Doc("True, False or Unknown.")] = ""
    observedGeneration: Annotated[Int64, Doc("Which generation it is about.")] = 0
    lastTransitionTime: Annotated[Time, Doc("When it last changed.")] | None = None
    reason: Annotated[str, Doc("Why, in a word.")] = msgspec.field(default_factory=str)
    message: Annotated[str, Doc("Why, in a sentence.")] = msgspec.field(default_factory=str)


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    """The one owner that manages the object, if any."""
    return next((ref for ref in meta.ownerReferences if ref.controller), None)
