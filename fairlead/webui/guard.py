"""Decides if a request comes from the page itself: origins, cookies, and headers of every response. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from fairlead.apiserver.pages import KEY_HEADER
from fairlead.apiserver.serialization.subprotocols import HEADER as PROTOCOLS
from fairlead.apiserver.serialization.subprotocols import KEY_PROTOCOL, wants_websocket

SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def cookies_in(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns the cookies of a request; malformed ones are left out."""
    pairs = (part.partition("=") for part in headers.get("cookie", "").split(";"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def key_in(headers: Mapping[str, str]) -> str:
    """Returns the key of a session: a header, or, for a WebSocket, one of the subprotocols."""
    if (key := headers.get(KEY_HEADER, "")) or not wants_websocket(headers):
        return key
    names = (name.strip() for name in headers.get(PROTOCOLS, "").split(","))
    return next((name.removeprefix(KEY_PROTOCOL) for name in names if name.startswith(KEY_PROTOCOL)), "")


def login_origin(headers: Mapping[str, str]) -> str:
    """Returns the origin of a login; "" if the request may not log in. Browsers send `Origin` with every POST.

    Plain HTTP is possible only through the relay, on a loopback address.
    """
    origin, host = headers.get("origin", ""), headers.get("host", "")
    parts = urlsplit(origin)
    if not host or parts.netloc != host or origin != f"{parts.scheme}://{host}":
        return ""
    if parts.scheme == "http":
        return origin if _is_loopback(parts.hostname or "") else ""
    return origin if parts.scheme == "https" else ""


def is_from(origin: str, headers: Mapping[str, str]) -> bool:
    """Returns whether a request comes from a page of this origin. Browsers leave `Origin` out of a GET to their own
    origin only; the handshake of a WebSocket has it."""
    if headers.get("host", "") != urlsplit(origin).netloc:
        return False
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    given = headers.get("origin")
    return given == origin or (given is None and not wants_websocket(headers))


def cookie_header(name: str, value: str, *, secure: bool, max_age_s: int) -> str:
    flags = "; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
    return f"{name}={value}; Path=/; Max-Age={max_age_s}{flags}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
