"""Chooses the streaming protocol of an answer from the request's headers. No I/O.

A WebSocket client names subprotocols in its order of preference, or none. A SPDY client names versions in
`X-Stream-Protocol-Version`, which may be repeated. Source: upstream's `httpstream` and `wsstream` packages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from multidict import MultiMapping

from fairlead.node.streaming.channels import ChannelProtocol

SPDY = "SPDY/3.1"
_VERSION, _ACCEPTED = "X-Stream-Protocol-Version", "X-Accepted-Stream-Protocol-Versions"
_T = TypeVar("_T")
Headers = MultiMapping[str]


class HandshakeError(Exception):
    """The request cannot be upgraded: the answer to it."""

    def __init__(self, status: int, text: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


def is_websocket(headers: Headers) -> bool:
    """Returns which of the two the client speaks. Raises HandshakeError 400 for neither."""
    tokens = {t.strip() for value in headers.getall("Connection", []) for t in value.lower().split(",")}
    protocol = headers.get("Upgrade", "").lower()
    if "upgrade" in tokens and protocol in ("websocket", SPDY.lower()):
        return protocol == "websocket"
    raise HandshakeError(400, "unable to upgrade: missing upgrade headers in request")


def offered(headers: Headers, name: str) -> list[str]:
    """Returns the values of a header that is a list."""
    return [t.strip() for value in headers.getall(name, []) for t in value.split(",") if t.strip()]


def choose_subprotocol(headers: Headers, known: Sequence[ChannelProtocol]) -> ChannelProtocol:
    """Returns the client's first subprotocol that is known. Raises HandshakeError 403."""
    names = offered(headers, "Sec-WebSocket-Protocol")
    return _choose(names or [""], {protocol.name: protocol for protocol in known}, ())


def choose_version(headers: Headers, known: Mapping[str, _T]) -> _T:
    """Returns the client's first version that is known. Raises HandshakeError 400, 403."""
    if _VERSION not in headers:
        raise HandshakeError(400, f"unable to upgrade: header {_VERSION} does not exist in request")
    names = offered(headers, _VERSION)
    if not names:
        raise HandshakeError(400, f"unable to upgrade: header {_VERSION} names no protocol")
    return _choose(names, known, [(_ACCEPTED, name) for name in known])


def _choose(names: Sequence[str], known: Mapping[str, _T], headers: Sequence[tuple[str, str]]) -> _T:
    for name in names:
        if name in known:
            return known[name]
    shown = [[name or '""' for name in some] for some in (names, known)]
    text = "unable to upgrade: unable to negotiate protocol: client supports {}, server accepts {}"
    raise HandshakeError(403, text.format(*(f"[{' '.join(some)}]" for some in shown)), headers)


def switch_headers(version: str) -> dict[str, str]:
    """Returns the headers of the answer that switches to SPDY."""
    return {"Connection": "Upgrade", "Upgrade": SPDY, _VERSION: version}
