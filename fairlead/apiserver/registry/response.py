"""Renders an object as a response, in the representation that the client accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.apiserver.model import Outcome, json_response
from fairlead.apiserver.serialization.accept import negotiate_form
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.renderer import Renderer
from fairlead.base.clock import Clock
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.client import Request

_INCLUDE: Mapping[str, Any] = {"": "Metadata", "None": "None", "Metadata": "Metadata", "Object": "Object"}


def renderer_for(kind: Kind[Any], request: Request, *, clock: Clock) -> Renderer:
    """Returns the renderer for the client of the request. Raises StatusError 406."""
    form = negotiate_form(request.headers.get("accept", ""))
    return Renderer(kind, form, _INCLUDE.get(request.query.get("includeObject", ""), "Metadata"), clock)


def object_response(kind: Kind[Any], request: Request, entry: Entry, *, clock: Clock, status: int = 200) -> Outcome:
    """Returns the response with one object. Raises StatusError 406."""
    if negotiate_form(request.headers.get("accept", "")) == "Object":
        return json_response(entry.raw, status)
    return json_response(renderer_for(kind, request, clock=clock).one(entry), status)
