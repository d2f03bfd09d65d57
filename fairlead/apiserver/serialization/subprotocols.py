"""WebSocket subprotocols at the API server: a bearer token among them, and those of streams. No I/O.

Browsers cannot set headers on a WebSocket, so clients in browsers send their token as a subprotocol beside the
requested one: `base64url.bearer.authorization.k8s.io.<token>`. This name is never selected in a response or forwarded.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.base.base64url import decode_base64url
from fairlead.machinery.values.status import StatusError

HEADER = "Sec-WebSocket-Protocol"
_BEARER = "base64url.bearer.authorization.k8s.io."
KEY_PROTOCOL = "key.ui.fairlead."
"""Begins the subprotocol by which the page shows the key of its session; never selected or forwarded either."""
LOG_PROTOCOLS: Mapping[str, bool] = {"": False, "binary.k8s.io": False, "base64.binary.k8s.io": True}
"""Subprotocols of Pod logs; True if messages are text in base64."""


def wants_upgrade(headers: Mapping[str, str]) -> bool:
    """Returns whether the client asks to switch to another protocol."""
    tokens = {token.strip() for token in headers.get("connection", "").lower().split(",")}
    return "upgrade" in tokens and bool(headers.get("upgrade"))


def wants_websocket(headers: Mapping[str, str]) -> bool:
    return wants_upgrade(headers) and headers.get("upgrade", "").lower() == "websocket"


def without_token(header: str) -> list[str]:
    """Returns the subprotocols that a client offers, without its token."""
    names = (name.strip() for name in header.split(","))
    return [name for name in names if name and not name.startswith((_BEARER, KEY_PROTOCOL))]


def token_in(header: str) -> str:
    """Returns the token among the subprotocols, or "". Raises ValueError for a malformed one."""
    tokens = [name.strip() for name in header.split(",") if name.strip().startswith(_BEARER)]
    if not tokens:
        return ""
    if len(tokens) > 1:
        raise ValueError("multiple bearer tokens")
    if not without_token(header):
        raise ValueError("missing additional subprotocol")
    text = tokens[0].removeprefix(_BEARER)
    if not text:
        raise ValueError("invalid base64url")
    try:
        return decode_base64url(text.encode()).decode("ascii")
    except ValueError as error:
        raise ValueError("invalid base64url") from error


def choose_log_protocol(header: str) -> str:
    """Returns the client's first supported subprotocol of Pod logs. Raises StatusError 403."""
    names = without_token(header)
    for name in names or [""]:
        if name in LOG_PROTOCOLS:
            return name
    known = " ".join(name for name in LOG_PROTOCOLS if name)
    text = f"requested protocol(s) are not supported: [{' '.join(names)}]; supports [{known}]"
    raise StatusError(403, "Forbidden", text)
