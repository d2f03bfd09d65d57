"""Negotiates the response's representation (`Accept`) and reads the request's media type (`Content-Type`)."""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

from fairlead.apiserver.serialization.protobuf import MEDIA_TYPE as PROTOBUF
from fairlead.machinery.values.status import StatusError

Form = Literal["Object", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]
Encoding = Literal["json", "yaml", "protobuf"]

_FORMS: dict[str, Form] = {
    "Table": "Table",
    "PartialObjectMetadata": "PartialObjectMetadata",
    "PartialObjectMetadataList": "PartialObjectMetadataList",
}
_GROUP_VERSIONS = frozenset({("meta.k8s.io", "v1"), ("meta.k8s.io", "v1beta1")})
_ENCODINGS: dict[str, Encoding] = {
    "*/*": "json",
    "application/*": "json",
    "application/json": "json",
    "application/yaml": "yaml",
    PROTOBUF: "protobuf",
}


class Negotiated(NamedTuple):
    """The representation of a response."""

    form: Form
    encoding: Encoding


def negotiate_form(accept: str, *, tables: bool = True) -> Form:
    """Returns the form of `negotiate`."""
    return negotiate(accept, tables=tables).form


@functools.lru_cache(maxsize=256)
def negotiate(accept: str, *, tables: bool = True, messages: bool = True, stream: bool = False) -> Negotiated:
    """Returns the first representation in the list that the server offers. Raises StatusError 406 without one.

    Kinds that are only ever posted (reviews, bindings) lack `tables`; objects of custom kinds lack protobuf
    `messages`, but their metadata do not. A watch is a `stream`, which YAML cannot be.
    """
    for clause in sorted(accept.split(","), key=_rank) if accept else ["*/*"]:
        media, *pairs = (part.strip() for part in clause.split(";"))
        encoding = _ENCODINGS.get(media)
        if encoding is None or (stream and encoding == "yaml"):
            continue
        parameters = dict(pair.partition("=")[::2] for pair in pairs)
        if "as" not in parameters:
            if messages or encoding != "protobuf":
                return Negotiated("Object", encoding)
            continue
        form = _FORMS.get(parameters["as"])
        if form == "Table" and (encoding == "protobuf" or not tables):
            continue
        if form and (parameters.get("g"), parameters.get("v")) in _GROUP_VERSIONS:
            return Negotiated(form, encoding)
    raise _not_acceptable(messages=messages, stream=stream)


def _rank(clause: str) -> float:
    """Returns the preference of a clause: its `q` with the sign turned (RFC 9110, 12.4.2)."""
    for part in clause.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name == "q":
            try:
                return -float(value)
            except ValueError:
                return -1.0
    return -1.0


def _not_acceptable(*, messages: bool, stream: bool) -> StatusError:
    types = ["application/json", *([] if stream else ["application/yaml"]), *([PROTOBUF] if messages else [])]
    known = ", ".join(f"{type};stream=watch" if stream else type for type in types)
    return StatusError(406, "NotAcceptable", f"only the following media types are accepted: {known}")


def media_type(content_type: str) -> str:
    """Returns the media type alone, in lower case."""
    if content_type == "application/json":
        return content_type
    return content_type.partition(";")[0].strip().lower()


def unsupported_media_type(content_type: str, supported: tuple[str, ...]) -> StatusError:
    """Returns the error 415 for a body in another media type."""
    texts = ", ".join(supported)
    return StatusError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {texts}",
    )
