"""References from one object to another (core/v1)."""

from typing import Annotated

from fairlead.api.meta.types import Record
from fairlead.machinery.kinds.kind import Doc


class LocalObjectReference(Record):
    """Reference by name to an object in the same namespace."""

    name: Annotated[str, Doc("Name of the referent, in the same namespace.")] = ""


class ObjectReference(Record):
    """Reference to an object of any kind, or to one field of the object."""

    name: Annotated[str, Doc("Name of the referent, unique within its namespace.")] = ""
    apiVersion: Annotated[str, Doc("API group and version of the referent.")] = ""
    fieldPath: Annotated[
        str, Doc("Part of the referent that is meant, such as spec.containers{web}; the whole object if empty.")
    ] = ""
    kind: Annotated[str, Doc("Kind of the referent, in CamelCase.")] = ""
    namespace: Annotated[str, Doc("Namespace of the referent; empty for cluster-scoped objects.")] = ""
    resourceVersion: Annotated[str, Doc("Resource version of the referent at the time of reference.")] = ""
    uid: Annotated[str, Doc("UID of the referent, which distinguishes objects that had the same name.")] = ""


class TypedLocalObjectReference(Record):
    """Reference by kind and name to an object in the same namespace."""

    name: Annotated[str, Doc("Name of the referent, in the same namespace.")] = ""
    kind: Annotated[str, Doc("Kind of the referent, in CamelCase.")] = ""
    apiGroup: Annotated[str, Doc("API group of the referent; empty for the core group.")] | None = None


class TypedObjectReference(Record):
    """Reference by kind and name to an object, possibly in another namespace."""

    name: Annotated[str, Doc("Name of the referent, unique within its namespace.")] = ""
    kind: Annotated[str, Doc("Kind of the referent, in CamelCase.")] = ""
    apiGroup: Annotated[str, Doc("API group of the referent; empty for the core group.")] | None = None
    namespace: (
        Annotated[str, Doc("Namespace of the referent; the namespace of the referring object if empty.")] | None
    ) = None
