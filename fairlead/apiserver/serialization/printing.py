"""Formats the JSON of a response: on one line that ends with a newline, or indented for people.

As upstream: the query's `pretty` decides; without it, curl, Wget and browsers get indented responses. Indented
responses end without a newline, because Go's MarshalIndent writes none.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from fairlead.apiserver.model import JSON_HEADERS
from fairlead.apiserver.serialization.accept import media_type
from fairlead.runtime.client import Request, Response

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""The texts that Go's strconv.ParseBool reads as true."""
_PEOPLE = ("curl", "Wget", "Mozilla/5.0")


def format_response(response: Response, request: Request) -> Response:
    """Returns the response in the format that the client of `request` prefers."""
    body = response.body
    if not body or (
        response.headers is not JSON_HEADERS
        and media_type(response.headers.get("content-type", "")) != "application/json"
    ):
        return response
    query, headers = request.query, request.headers
    if ("pretty" in query or "user-agent" in headers or "pretty" in headers.get("accept", "")) and _wants_indent(
        request
    ):
        return replace(response, body=msgspec.json.format(body, indent=2))
    return response if body.endswith(b"\n") else replace(response, body=body + b"\n")


def _wants_indent(request: Request) -> bool:
    asked = request.query.get("pretty", "")
    if asked:
        return asked in _TRUE
    if request.headers.get("user-agent", "").startswith(_PEOPLE):
        return True
    accept = request.headers.get("accept", "")
    return "pretty=1" in accept and "pretty=1" in (part.strip() for part in accept.partition(",")[0].split(";")[1:])
