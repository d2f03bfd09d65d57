"""Requests and responses, and what carries them. No kinds: a component without the API's types needs no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from fairlead.machinery.status import StatusError, status_error


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the API server's core sees it, whatever carried it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes = b""
    unique: bool = False
    """No key is in the body twice: it was made of an object, here."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    headers: Mapping[str, str]


class Transport(Protocol):
    async def request(self, request: Request) -> Response:
        """Raises ConnectionError if there is no answer."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Sequence[bytes]]:
        """The body of a streaming answer (a watch): its lines without the newlines, as many at a time as have come.

        Raises StatusError if the answer is not 200, ConnectionError if the peer goes away."""
        ...


def decode_status_error(code: int, body: bytes) -> StatusError:
    """Returns the error in an answer's body; a body that is no `Status` object keeps its text."""
    try:
        tree = msgspec.json.decode(body)
    except msgspec.DecodeError:
        tree = None
    if isinstance(tree, dict) and tree.get("kind") == "Status":
        return status_error({"code": code} | tree)
    return StatusError(code, "", body.decode("utf-8", "replace").strip() or f"HTTP {code}")
