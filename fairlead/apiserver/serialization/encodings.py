"""Responses in other encodings than JSON: protobuf and YAML, if the client prefers them."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec.structs import replace

from fairlead.apiserver.serialization.accept import negotiate
from fairlead.apiserver.serialization.protobuf.convert import to_protobuf
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError
from fairlead.machinery.values.yamltree import dump_yaml
from fairlead.runtime.client import Request, Response

_LARGE = 256 << 10
"""Bytes; a body of this size takes about 10 ms to encode."""


def may_accept_other(request: Request) -> bool:
    """Returns whether the client may prefer another encoding than JSON; nearly all clients do not."""
    accept = request.headers.get("accept", "")
    return "protobuf" in accept or "yaml" in accept


async def in_accepted_encoding(response: Response, request: Request, scheme: Scheme) -> Response:
    """Returns a JSON response in the encoding that the client accepts first. Large bodies are encoded in a thread, so
    that other requests are not delayed."""
    try:
        encoding = negotiate(request.headers.get("accept", "")).encoding
    except StatusError:
        return response  # an error, or a response without an object
    if encoding == "json" or response.headers.get("content-type") != "application/json":
        return response
    if len(response.body) > _LARGE:
        return await asyncio.to_thread(_encoded, response, encoding, scheme)
    return _encoded(response, encoding, scheme)


def _encoded(response: Response, encoding: str, scheme: Scheme) -> Response:
    if encoding == "protobuf":
        return to_protobuf(response, scheme)
    headers = {**response.headers, "content-type": "application/yaml"}
    return replace(response, body=dump_yaml(msgspec.json.decode(response.body)).encode(), headers=headers)
