"""Renders an object as a response, in the representation that the client accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.apiserver.model import Outcome, json_response
from fairlead.apiserver.serialization.accept import Negotiated, negotiate
from fairlead.apiserver.serialization.protobuf.convert import has_protobuf
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.renderer import Renderer
from fairlead.base.clock import Clock
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.client import Request

_INCLUDE: Mapping[str, Any] = {"": "Metadata", "None": "None", "Metadata": "Metadata", "Object": "Object"}

_JSON = Negotiated("Object", "json")


def negotiated(kind: Kind[Any], request: Request, *, stream: bool = False) -> Negotiated:
    """Returns the representation that the client of the request accepts. Raises StatusError 406."""
    accept = request.headers.get("accept", "")
    if not accept or accept == "application/json":
        return _JSON
    return negotiate(accept, tables=not kind.answered, messages=has_protobuf(kind), stream=stream)


def renderer_for(kind: Kind[Any], request: Request, *, clock: Clock, stream: bool = False) -> Renderer:
    """Returns the renderer for the client of the request. Raises StatusError 406."""
    return Renderer(
        kind,
        negotiated(kind, request, stream=stream),
        _INCLUDE.get(request.query.get("includeObject", ""), "Metadata"),
        clock,
    )


def object_response(kind: Kind[Any], request: Request, entry: Entry, *, clock: Clock, status: int = 200) -> Outcome:
    """Returns the response with one object. Raises StatusError 406."""
    if negotiated(kind, request).form == "Object":
        return json_response(entry.raw, status)
    return json_response(renderer_for(kind, request, clock=clock).one(entry), status)
