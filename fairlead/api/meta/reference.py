"""References from one object to another (core/v1)."""

from __future__ import annotations

from typing import Annotated

from fairlead.api.meta.types import Record
from fairlead.machinery.kind import Doc


class LocalObjectReference(Record):
    name: Annotated[str, Doc("Its name.")] = ""


class ObjectReference(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    apiVersion: Annotated[str, Doc("Its version.")] = ""
    fieldPath: Annotated[str, Doc("The part of it that is meant.")] = ""
    kind: Annotated[str, Doc("Its kind.")] = ""
    namespace: Annotated[str, Doc("Its namespace.")] = ""
    resourceVersion: Annotated[str, Doc("The version of it that is meant.")] = ""
    uid: Annotated[str, Doc("Its uid.")] = ""


class TypedLocalObjectReference(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    kind: Annotated[str, Doc("Its kind.")] = ""
    apiGroup: Annotated[str, Doc("Its group; empty for the core group.")] | None = None


class TypedObjectReference(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    kind: Annotated[str, Doc("Its kind.")] = ""
    apiGroup: Annotated[str, Doc("Its group; empty for the core group.")] | None = None
    namespace: Annotated[str, Doc("Its namespace.")] | None = None
