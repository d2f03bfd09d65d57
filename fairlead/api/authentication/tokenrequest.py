"""The `token` subresource of service accounts (authentication.k8s.io/v1)."""

from __future__ import annotations

import msgspec

from fairlead.api.meta.types import Int64, Object, Record, Strings, Time


class BoundObjectReference(Record):
    name: str = ""
    apiVersion: str = ""
    kind: str = ""
    uid: str = ""


class TokenRequestSpec(Record):
    attestations: dict[str, list[str]] = {}
    audiences: Strings = []
    boundObjectRef: BoundObjectReference | None = None
    expirationSeconds: Int64 | None = None


class TokenRequestStatus(Record):
    expirationTimestamp: Time | None = None
    token: str = ""


class TokenRequest(Object):
    spec: TokenRequestSpec = msgspec.field(default_factory=TokenRequestSpec)
    status: TokenRequestStatus = msgspec.field(default_factory=TokenRequestStatus)
