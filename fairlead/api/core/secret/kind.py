"""The Secret kind: confidential values, base64 on the wire."""

import base64
from collections.abc import Iterator
from typing import Annotated

from fairlead.api.core.data_rules import canonicalize_base64, immutable_data_errors, key_errors, size_errors
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Base64, Object
from fairlead.machinery.kinds.kind import Column, Doc, Immutable, Kind
from fairlead.machinery.values.status import FieldError, required


class Secret(Object):
    """Confidential values by key, in base64, which pods read as environment variables or as files."""

    type: Annotated[
        str, Immutable(), Doc("Type of the secret, which decides about required keys; default Opaque, immutable.")
    ] = ""
    data: Annotated[dict[str, Base64], Doc("Confidential values by key, in base64.")] = {}
    immutable: (
        Annotated[bool, Doc("Set to true to forbid later changes of the data; the field cannot be reset to false.")]
        | None
    ) = None
    stringData: Annotated[
        dict[str, str], Doc("Confidential values by key as plain text; write-only, merged into `data` on each write.")
    ] = {}


def _default(secret: Secret) -> Secret:
    """Moves `stringData` into `data`, replacing equal keys; `stringData` is write-only."""
    secret.type = secret.type or "Opaque"
    canonicalize_base64(secret.data)
    for key, text in secret.stringData.items():
        secret.data[key] = base64.b64encode(text.encode()).decode()
    secret.stringData = {}
    return secret


_SHAPES: dict[str, tuple[str, ...]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
"""Keys that a secret must have, by its type."""
_ACCOUNT = "kubernetes.io/service-account.name"


def _rules(secret: Secret) -> Iterator[FieldError]:
    yield from key_errors(secret.data, "data")
    yield from size_errors({}, secret.data)
    for key in _SHAPES.get(secret.type, ()):
        if key not in secret.data:
            yield required(f"data[{key}]")
    if secret.type == "kubernetes.io/basic-auth" and not {"username", "password"} & secret.data.keys():
        yield required("data[username]")
        yield required("data[password]")
    if secret.type == "kubernetes.io/service-account-token" and not secret.metadata.annotations.get(_ACCOUNT):
        yield required(f"metadata.annotations[{_ACCOUNT}]")


def _transition(old: Secret, new: Secret) -> Iterator[FieldError]:
    yield from immutable_data_errors(old, new, ("data",))


SECRET = Kind(
    type=Secret,
    kind="Secret",
    plural="secrets",
    singular="secret",
    columns=(
        NAME,
        Column("Type", lambda secret, _: secret.type, doc="Type of the secret, which decides about required keys."),
        Column(
            "Data", lambda secret, _: len(secret.data), doc="Number of keys in data, including keys with binary values."
        ),
        AGE,
    ),
    default=_default,
    rules=_rules,
    transition=_transition,
    fields={"type": lambda secret: secret.type},
)
