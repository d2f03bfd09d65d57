"""References from one object to another (core/v1)."""

from __future__ import annotations

from fairlead.api.meta import Record


class LocalObjectReference(Record):
    name: str = ""


class ObjectReference(Record):
    name: str = ""
    apiVersion: str = ""
    fieldPath: str = ""
    kind: str = ""
    namespace: str = ""
    resourceVersion: str = ""
    uid: str = ""


class TypedLocalObjectReference(Record):
    name: str = ""
    kind: str = ""
    apiGroup: str | None = None


class TypedObjectReference(Record):
    name: str = ""
    kind: str = ""
    apiGroup: str | None = None
    namespace: str | None = None
