"""Responses of the server that no kind declares (`metav1`): Status, list metadata and bare metadata.

The server writes them as JSON without these types; the types say which fields they have in protobuf.
"""

from __future__ import annotations

import msgspec

from fairlead.api.meta.types import Int32, Int64, Object, ObjectMeta, Record


class ListMeta(Record):
    """Metadata of a list: resource version and continuation token."""

    selfLink: str = ""
    resourceVersion: str = ""
    continuation: str = msgspec.field(default="", name="continue")
    remainingItemCount: Int64 | None = None


class StatusCause(Record):
    """Single cause of a failed request."""

    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(Record):
    """Details of a failed request: the object concerned and all causes."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: list[StatusCause] = []
    retryAfterSeconds: Int32 = 0


class Status(Record):
    """Outcome of a request that returns no object, such as an error."""

    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)
    status: str = ""
    message: str = ""
    reason: str = ""
    details: StatusDetails | None = None
    code: Int32 = 0


class PartialObjectMetadata(Object):
    """Metadata of an object without the rest of it."""


__all__ = ["ListMeta", "ObjectMeta", "PartialObjectMetadata", "Status", "StatusCause", "StatusDetails"]
