"""The values that pass between the edges and the core: the user, the request's context and the outcome."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.base.dataclass import dataclass, field
from fairlead.machinery.values import names
from fairlead.runtime.client import Request, Response

_MAX_WARNINGS, _MAX_WARNING = 4096, 256
"""Upstream's limits, in characters: all warnings of a response together, and each warning if the total is exceeded."""
_ACCOUNT = "system:serviceaccount:"
HealthCheck = Callable[[], Awaitable[str]]
"""Returns what is wrong with a component; an empty text for a healthy one."""
PathHandler = Callable[[Request], Awaitable[Response]]
"""Answers a request for a path that is not about objects. Raises StatusError."""
JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class User:
    """The user that makes a request."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def component(name: str) -> User:
    """Returns a component of the system as a user."""
    return User(name, ("system:authenticated",))


def service_account(
    namespace: str, name: str, uid: str = "", extra: Mapping[str, tuple[str, ...]] | None = None
) -> User:
    """Returns a service account as a user."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"{_ACCOUNT}{namespace}:{name}", groups, uid, extra or {})


def split_service_account(name: str) -> tuple[str, str] | None:
    """Returns namespace and name of the service account that a user name stands for, or None."""
    parts = name.removeprefix(_ACCOUNT).split(":")
    if not name.startswith(_ACCOUNT) or len(parts) != 2:
        return None
    namespace, account = parts
    return None if names.dns1123_label(namespace) or names.dns1123_subdomain(account) else (namespace, account)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
SYSTEM = User("system:apiserver", ("system:masters", "system:authenticated"))


class RequestContext(msgspec.Struct):
    """One request on its way through the server: user, meaning, warnings and audit annotations."""

    user: User
    info: RequestInfo
    served: bool = False
    """True as soon as the request's resource is known to be served."""
    warnings: list[str] = []
    """Texts for `Warning` headers."""
    annotations: dict[str, str] = {}
    """Annotations that admission plug-ins add to the request's audit record."""

    def warn(self, *texts: str) -> None:
        """Adds warnings; a text that is present already is skipped."""
        for text in texts:
            if text not in self.warnings:
                self.warnings.append(text)

    def annotate(self, key: str, value: str) -> None:
        """Adds to the audit record. The first value of a key stays, as in upstream."""
        self.annotations.setdefault(key, value)


def internal() -> RequestContext:
    """Returns the context of the server's internal writes."""
    return RequestContext(SYSTEM, RequestInfo(method="", path="", verb=""))


class Stream(Protocol):
    """A response of status 200 without a fixed end: `next` returns its pieces until it returns none."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    async def next(self) -> Sequence[bytes]:
        """Waits for pieces and returns them, at least one; returns none when the stream has ended."""
        ...

    def close(self) -> None:
        """Ends the stream after the client has disconnected."""
        ...


@dataclass(frozen=True, slots=True)
class Forward:
    """The request is to be forwarded to this address with its body, and the response returned."""

    scheme: str
    host: str
    port: int
    is_node: bool = False
    """The backend is a node's kubelet API, which demands our client certificate."""
    tls: ssl.SSLContext | None = None
    """The TLS side of the connection to an extension API server; None for other backends."""
    server_name: str | None = None
    """The name that the server's certificate must have, if `tls` is set."""
    headers: Sequence[tuple[str, str]] = ()
    """Headers that replace the client's own of the same names: the identity of the user."""

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The connection is to be upgraded and joined to this path of a node's kubelet API: exec, attach, port-forward."""

    to: Forward
    path: str


Outcome = Response | Stream | Upgrade | Forward


def json_response(body: bytes, status: int = 200) -> Response:
    return Response(status, body, JSON_HEADERS)


def with_warnings(response: Response, warnings: Sequence[str]) -> Response:
    """Returns the response with its warnings in one header, separated by commas (RFC 9110, 5.3)."""
    lines = ", ".join(f'299 - "{text}"' for text in _bounded([_quoted(text) for text in warnings]))
    return Response(response.status, response.body, {**response.headers, "warning": lines})


def _bounded(texts: Sequence[str]) -> list[str]:
    """Returns as many texts as the limits allow, shortened if necessary: clients refuse very large headers."""
    if sum(map(len, texts)) <= _MAX_WARNINGS:
        return list(texts)
    short = [text[:_MAX_WARNING].rstrip("\\") for text in texts]
    return short[: _MAX_WARNINGS // _MAX_WARNING]


def _quoted(text: str) -> str:
    """Returns the text quoted and without characters that are illegal in a header; a warning repeats the client's
    input."""
    visible = "".join(c if c.isprintable() else " " for c in text)
    return visible.replace("\\", "\\\\").replace('"', '\\"')
