"""The `token` subresource of service accounts (authentication.k8s.io/v1)."""

from __future__ import annotations

import msgspec

from fairlead.api.meta.types import Int64, Object, Record, Strings, Time


class BoundObjectReference(Record):
    """Reference to the object that a token is bound to; the token becomes invalid when the object is deleted."""

    name: str = ""
    apiVersion: str = ""
    kind: str = ""
    uid: str = ""


class TokenRequestSpec(Record):
    """Properties of the requested token: its audiences, its lifetime and the object it is bound to."""

    attestations: dict[str, list[str]] = {}
    audiences: Strings = []
    boundObjectRef: BoundObjectReference | None = None
    expirationSeconds: Int64 | None = None


class TokenRequestStatus(Record):
    """Issued token and the time at which the token expires."""

    expirationTimestamp: Time | None = None
    token: str = ""


class TokenRequest(Object):
    """Request for a token of a service account, answered in the status and not stored."""

    spec: TokenRequestSpec = msgspec.field(default_factory=TokenRequestSpec)
    status: TokenRequestStatus = msgspec.field(default_factory=TokenRequestStatus)
