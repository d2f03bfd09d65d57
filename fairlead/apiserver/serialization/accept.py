"""Negotiates the response's representation (`Accept`) and reads the request's media type (`Content-Type`)."""

from __future__ import annotations

import functools
from typing import Literal

from fairlead.machinery.values.status import StatusError

Form = Literal["Object", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]

_ANY = frozenset({"*/*", "application/*", "application/json"})
_FORMS: dict[str, Form] = {
    "Table": "Table",
    "PartialObjectMetadata": "PartialObjectMetadata",
    "PartialObjectMetadataList": "PartialObjectMetadataList",
}
_GROUP_VERSIONS = frozenset({("meta.k8s.io", "v1"), ("meta.k8s.io", "v1beta1")})


@functools.lru_cache(maxsize=256)
def negotiate_form(accept: str, *, tables: bool = True) -> Form:
    """Returns the first representation in the list that the server offers. Raises StatusError 406 if there is none.

    Kinds that are only ever posted (reviews, bindings) have no `tables`.
    """
    for clause in accept.split(",") if accept else ["*/*"]:
        media, *pairs = (part.strip() for part in clause.split(";"))
        if media not in _ANY:
            continue
        parameters = dict(pair.partition("=")[::2] for pair in pairs)
        if "as" not in parameters:
            return "Object"
        form = _FORMS.get(parameters["as"])
        if form and (tables or form != "Table") and (parameters.get("g"), parameters.get("v")) in _GROUP_VERSIONS:
            return form
    raise StatusError(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/json;stream=watch",
    )


def media_type(content_type: str) -> str:
    """Returns the media type alone, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def unsupported_media_type(content_type: str, supported: tuple[str, ...]) -> StatusError:
    """Returns the error 415 for a body in another media type."""
    texts = ", ".join(supported)
    return StatusError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {texts}",
    )
