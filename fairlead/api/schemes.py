"""Guesses the URL scheme behind a port of a Service."""

from __future__ import annotations

_WEB = frozenset({80, 3000, 5000, 8000, 8008, 8080, 8081, 8888, 9090})
_SECURE = frozenset({443, 6443, 8443, 9443})
_DEFAULT = {"http": 80, "https": 443}
_WEB_NAME = "web"
"""Beginning of the name of a port that browsers open; it does not say whether by TLS."""


def scheme_of(port: int, *, protocol: str = "TCP", name: str = "", app_protocol: str = "") -> str:
    """Returns the scheme by `appProtocol`, else by the port's name, else by its number."""
    if protocol == "UDP":
        return "udp"
    if claimed := claimed_scheme(name, app_protocol):
        return claimed
    if app_protocol:
        return "tcp"
    if port in _SECURE:
        return "https"
    return "http" if port in _WEB or name.partition("-")[0] == _WEB_NAME else "tcp"


def claimed_scheme(name: str, app_protocol: str) -> str:
    """Returns the scheme that `appProtocol`, else the port's name claims: `http`, `https`, or empty for neither."""
    for hint in (app_protocol.rpartition("/")[2], name.partition("-")[0]):
        if hint in ("https", "wss"):
            return "https"
        if hint in ("http", "h2c", "ws", "http2"):
            return "http"
    return ""


def url(scheme: str, host: str, port: int) -> str:
    """Returns the URL, without the port if the port is the scheme's default."""
    place = f"{scheme}://[{host}]" if ":" in host else f"{scheme}://{host}"
    return place if _DEFAULT.get(scheme) == port else f"{place}:{port}"
