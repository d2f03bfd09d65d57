"""A secret: settings kept apart from the rest, base64 on the wire."""

from __future__ import annotations

import base64

from fairlead.api.columns import AGE, NAME
from fairlead.api.meta import Base64, Object
from fairlead.machinery.kind import Column, Kind


class Secret(Object):
    type: str = ""
    data: dict[str, Base64] = {}
    immutable: bool | None = None
    stringData: dict[str, str] = {}


def _default(secret: Secret) -> Secret:
    """`stringData` is for writing only: it becomes `data`, and wins over it."""
    secret.type = secret.type or "Opaque"
    for key, text in secret.stringData.items():
        secret.data[key] = base64.b64encode(text.encode()).decode()
    secret.stringData = {}
    return secret


SECRET = Kind(
    type=Secret,
    kind="Secret",
    plural="secrets",
    singular="secret",
    columns=(
        NAME,
        Column("Type", lambda secret, _: secret.type, doc="What its keys mean."),
        Column("Data", lambda secret, _: len(secret.data), doc="How many keys it has."),
        AGE,
    ),
    default=_default,
    fields={"type": lambda secret: secret.type},
)
