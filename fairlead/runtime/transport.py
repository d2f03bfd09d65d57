"""Requests, responses and the transport interface. No kinds: components without the API's types import only this."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec

from fairlead.machinery.values.status import StatusError, status_error


class Request(msgspec.Struct, frozen=True):
    """A request as the API server's core sees it, independent of the transport."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Headers by lower-case name."""
    body: bytes = b""
    unique: bool = False
    """True if no JSON object of the body repeats a key, because the body was encoded from an object."""


class Response(msgspec.Struct, frozen=True):
    """An answer with its whole body."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Transport(Protocol):
    """Carries requests to the API server, over the network or inside the process."""

    async def request(self, request: Request) -> Response:
        """Returns the answer. Raises ConnectionError without an answer."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Sequence[bytes]]:
        """Yields the body of a streaming answer (a watch): its lines without newlines, as many at a time as have
        arrived.

        Raises StatusError if the answer is not 200, ConnectionError if the peer closes the connection.
        """
        ...


def decode_status_error(code: int, body: bytes) -> StatusError:
    """Returns the error in an answer's body; if the body is not a `Status` object, its text is the message."""
    try:
        tree = msgspec.json.decode(body)
    except msgspec.DecodeError:
        tree = None
    if isinstance(tree, dict) and tree.get("kind") == "Status":
        return status_error({"code": code} | tree)
    return StatusError(code, "", body.decode("utf-8", "replace").strip() or f"HTTP {code}")
