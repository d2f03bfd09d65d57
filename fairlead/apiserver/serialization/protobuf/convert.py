"""Converts responses and watch events from JSON to protobuf.

Responses are JSON until they leave the server; a response in protobuf is decoded once more and encoded anew. What must
stay true: a JSON body without a protobuf form (Table, discovery, custom objects) is left as it is.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from msgspec.structs import replace

from fairlead.apiserver.serialization.protobuf import MEDIA_TYPE
from fairlead.apiserver.serialization.protobuf.encode import MessageEncoder, delimited, encoder_of, envelope
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.schemas.schema import schema_of
from fairlead.runtime.client import Response

_STREAM = f"{MEDIA_TYPE};stream=watch"
STREAM_HEADERS = {"content-type": _STREAM}
Tree = dict[str, Any]


def to_protobuf(response: Response, scheme: Scheme) -> Response:
    """Returns the response in protobuf if its object has such a form, else unchanged."""
    if not response.body or response.headers.get("content-type") != "application/json":
        return response
    body = encoded(response.body, scheme)
    return response if body is None else replace(response, body=body, headers={**response.headers, **_TYPE})


_TYPE = {"content-type": MEDIA_TYPE}


def encoded(body: bytes, scheme: Scheme) -> bytes | None:
    """Returns a JSON object in protobuf with its envelope; None if it lacks such a form."""
    tree = msgspec.json.decode(body)
    if not isinstance(tree, dict):
        return None
    api_version, kind = tree.get("apiVersion", ""), tree.get("kind", "")
    encoder = _encoder(scheme, api_version, kind)
    if encoder is not None:
        return envelope(api_version, kind, encoder(tree))
    if kind.endswith("List") and (item := _encoder(scheme, api_version, kind.removesuffix("List"))) is not None:
        return envelope(api_version, kind, _list(tree, item))
    return None


def frame(type: str, raw: bytes, encoder: MessageEncoder) -> bytes:
    """Returns a watch event with the length before it (4 bytes, big-endian). `raw` is the object in JSON."""
    tree = msgspec.json.decode(raw)
    obj = envelope(tree["apiVersion"], tree["kind"], encoder(tree))
    event = delimited(1, type.encode()) + delimited(2, delimited(1, obj))
    return len(event).to_bytes(4, "big") + event


def metadata_encoder() -> MessageEncoder:
    """Returns the encoder of PartialObjectMetadata."""
    return _of("PartialObjectMetadata")


def status_encoder() -> MessageEncoder:
    """Returns the encoder of Status."""
    return _of("Status")


def kind_encoder(kind: Kind[Any]) -> MessageEncoder:
    """Returns the encoder of the objects of a kind that `has_protobuf`."""
    encoder = encoder_of(kind.schema)
    if encoder is None:
        raise LookupError(f"{kind.schema.name} lacks field numbers")
    return encoder


def has_protobuf(kind: Kind[Any]) -> bool:
    """Returns whether objects of the kind have a protobuf form: those of custom kinds do not."""
    return kind.own_codec is None


def _list(tree: Tree, item: MessageEncoder) -> bytes:
    pieces = [delimited(1, _of("ListMeta")(tree.get("metadata") or {}))]
    pieces += [delimited(2, item(one)) for one in tree.get("items") or ()]
    return b"".join(pieces)


def _encoder(scheme: Scheme, api_version: str, name: str) -> MessageEncoder | None:
    group, _, version = api_version.rpartition("/")
    kind = scheme.by_gvk(group, version, name)
    if kind is not None:
        return encoder_of(kind.schema)
    struct = _others().get((api_version, name))
    return encoder_of(schema_of(struct)) if struct is not None else None


def _of(name: str) -> MessageEncoder:
    from fairlead.api.meta import responses

    encoder = encoder_of(schema_of(getattr(responses, name)))
    assert encoder is not None
    return encoder


@functools.cache
def _others() -> dict[tuple[str, str], Any]:
    """Returns the types of bodies that are not kinds of the scheme. Imported at their first use."""
    from fairlead.api.authentication.tokenrequest import TokenRequest
    from fairlead.api.autoscaling.scale import Scale
    from fairlead.api.meta.responses import PartialObjectMetadata, Status

    return {
        ("v1", "Status"): Status,
        ("meta.k8s.io/v1", "PartialObjectMetadata"): PartialObjectMetadata,
        ("autoscaling/v1", "Scale"): Scale,
        ("authentication.k8s.io/v1", "TokenRequest"): TokenRequest,
    }
