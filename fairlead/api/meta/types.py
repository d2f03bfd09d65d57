"""Metadata that every object carries (`metav1`): names, labels, owners, versions. Source: apimachinery `meta/v1`."""

from typing import Annotated, Any

import msgspec

from fairlead.machinery.kinds.kind import Atomic, Doc, Format, ListMap, SetList

Time = Annotated[str, Format("date-time")]
"""RFC 3339, kept as the text of the wire format; `base.instant` converts."""
MicroTime = Annotated[str, Format("date-time-micro")]
Labels = dict[str, str]
Int32 = Annotated[int, Format("int32")]
Int64 = Annotated[int, Format("int64")]
Base64 = Annotated[str, Format("byte")]
IntOrString = Annotated[int | str, Format("int-or-string")]
Quantity = Annotated[str | int | float, Format("quantity")]
"""Amount such as `100m` or `64Mi`; numbers are accepted and converted to text with the defaults."""
Resources = dict[str, Quantity]
Strings = Annotated[list[str], Atomic()]
BY_NAME = ListMap(keys=("name",), patch_key="name")
BY_TYPE = ListMap(keys=("type",), patch_key="type")


def empty_list() -> list[Any]:
    """Default factory of a list that is written as `[]` if empty; msgspec omits the result of `list`."""
    return []


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of structs inside objects. Attributes have the names of the wire format; defaults are not written.

    A field that upstream writes even if it is empty has a default factory (`int`, `str`, a record's type), because
    msgspec does not compare the results of such factories with the value.
    """


class OwnerReference(Record):
    """Reference to an owner of an object; the object is deleted when all its owners are gone."""

    apiVersion: Annotated[str, Doc("API group and version of the owner.")] = ""
    kind: Annotated[str, Doc("Kind of the owner, in CamelCase.")] = ""
    name: Annotated[str, Doc("Name of the owner, in the same namespace or cluster-scoped.")] = ""
    uid: Annotated[str, Doc("UID of the owner, which distinguishes objects that had the same name.")] = ""
    controller: (
        Annotated[bool, Doc("True if the owner manages the object; at most one owner of an object does.")] | None
    ) = None
    blockOwnerDeletion: (
        Annotated[
            bool, Doc("True if foreground deletion of the owner waits until the object is deleted; default false.")
        ]
        | None
    ) = None


class ManagedFieldsEntry(Record):
    """Fields of an object that one manager set, recorded for server-side apply."""

    manager: Annotated[
        str, Doc("Name of the program that set the fields (fieldManager, or the client's User-Agent).")
    ] = ""
    operation: Annotated[str, Doc("Kind of write that created the entry: Apply or Update.")] = ""
    apiVersion: Annotated[str, Doc("API version in which the entry's fields are named.")] = ""
    time: Annotated[Time, Doc("Time at which the manager last changed the set of its fields.")] | None = None
    fieldsType: Annotated[str, Doc("Format of the entry's field set; always FieldsV1.")] = ""
    fieldsV1: Annotated[msgspec.Raw, Doc("Set of the fields that the manager owns.")] = msgspec.Raw()
    """Kept as bytes, because most readers of an object do not need its field owners."""
    subresource: Annotated[str, Doc("Subresource through which the fields were set; empty for the object itself.")] = ""


class ObjectMeta(Record):
    """Metadata of an object. The server sets `resourceVersion` and `uid`; stored bytes have no `resourceVersion`."""

    resourceVersion: Annotated[
        str,
        Doc("Version of the stored object, changed by every write; an update that names an older version is refused."),
    ] = ""
    name: Annotated[str, Doc("Name of the object, unique for its kind within the namespace; immutable.")] = ""
    generateName: Annotated[str, Doc("Prefix from which the server generates a unique name if `name` is empty.")] = ""
    namespace: Annotated[str, Doc("Namespace of the object; empty for cluster-scoped objects, immutable.")] = ""
    selfLink: Annotated[str, Doc("URL of the object; deprecated, never set.")] = ""
    uid: Annotated[
        str, Doc("Unique identity of the object, assigned by the server; distinguishes objects that had the same name.")
    ] = ""
    generation: Annotated[
        int, Format("int64"), Doc("Number of changes of the desired state; assigned by the server.")
    ] = 0
    creationTimestamp: (
        Annotated[Time, Doc("CreationTimestamp is a timestamp that the server sets when it creates the object.")] | None
    ) = None
    deletionTimestamp: (
        Annotated[
            Time, Doc("Time after which the object is to be gone; set by the server on a graceful deletion request.")
        ]
        | None
    ) = None
    deletionGracePeriodSeconds: (
        Annotated[
            int,
            Format("int64"),
            Doc("Seconds that the object was given to terminate; set together with deletionTimestamp."),
        ]
        | None
    ) = None
    labels: Annotated[Labels, Doc("Keys and values by which the object can be selected.")] = {}
    annotations: Annotated[
        Labels, Doc("Keys and values that tools store with the object; cannot be used for selection.")
    ] = {}
    ownerReferences: Annotated[
        list[OwnerReference],
        ListMap(keys=("uid",), patch_key="uid"),
        Doc("Objects that the object depends on; the object is deleted after all owners are gone."),
    ] = []
    finalizers: Annotated[
        list[str],
        SetList(merge=True),
        Doc("Names of the finalizers that must be removed before the object is deleted from the store."),
    ] = []
    managedFields: Annotated[
        list[ManagedFieldsEntry],
        Atomic(),
        Doc("Fields of the object by the manager that set them; maintained by the server."),
    ] = []


class Object(Record):
    """Base of top-level objects: `kind`, `apiVersion` and `metadata` come first on the wire."""

    kind: Annotated[str, Doc("Kind of the object, in CamelCase; cannot be changed.")] = ""
    apiVersion: Annotated[str, Doc("API group and version of the schema in which the object is written.")] = ""
    metadata: Annotated[ObjectMeta, Doc("Standard object's metadata: name, namespace, labels and annotations.")] = (
        msgspec.field(default_factory=ObjectMeta)
    )


class LabelSelectorRequirement(Record):
    """Condition on one label: a key, an operator and values."""

    key: Annotated[str, Doc("Key of the label that the requirement is about.")] = ""
    operator: Annotated[str, Doc("Relation of the label's value to `values`: In, NotIn, Exists or DoesNotExist.")] = ""
    values: Annotated[
        list[str],
        Atomic(),
        Doc("Values to compare with; required for In and NotIn, forbidden for Exists and DoesNotExist."),
    ] = []


class LabelSelector(Record):
    """Choice of objects by labels; all conditions must be met, and an empty selector selects every object."""

    matchLabels: Annotated[
        Labels, Doc("Labels that an object must carry with exactly these values; all must match.")
    ] = {}
    matchExpressions: Annotated[
        list[LabelSelectorRequirement], Atomic(), Doc("Requirements on the object's labels; all must be met.")
    ] = []


class Condition(Record):
    """Observation about an object as one typed condition (`metav1.Condition`)."""

    type: Annotated[str, Doc("Type of the condition, in CamelCase or as `<domain>/<Name>`.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = ""
    observedGeneration: Annotated[Int64, Doc("Value of metadata.generation that the condition was set for.")] = 0
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = msgspec.field(
        default_factory=str
    )
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = msgspec.field(
        default_factory=str
    )


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    """Returns the owner that manages the object, or None."""
    return next((ref for ref in meta.ownerReferences if ref.controller), None)
