"""A secret: settings kept apart from the rest, base64 on the wire."""

from __future__ import annotations

from fairlead.api.meta import Base64, Object
from fairlead.machinery.kind import Kind


class Secret(Object):
    type: str = ""
    data: dict[str, Base64] = {}
    immutable: bool | None = None
    stringData: dict[str, str] = {}


SECRET = Kind(
    type=Secret,
    kind="Secret",
    plural="secrets",
    singular="secret",
)
