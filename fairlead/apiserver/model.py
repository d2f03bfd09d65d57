"""The values that pass between the edges and the core: who asks, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.runtime.client import Response

_MAX_WARNINGS, _MAX_WARNING = 4096, 256
"""Characters of all warnings of an answer, and of each where they are more: upstream's limits."""
JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class User:
    """Who makes a request."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
SYSTEM = User("system:apiserver", ("system:masters", "system:authenticated"))


class RequestContext(msgspec.Struct):
    """One request on its way through the server: who asks for what, and what was noted about it on the way."""

    user: User
    info: RequestInfo
    warnings: list[str] = []
    """Texts for `Warning` headers."""
    annotations: dict[str, str] = {}
    """What admission plug-ins add to the request's audit record."""

    def warn(self, *texts: str) -> None:
        """Adds warnings, each text once."""
        for text in texts:
            if text not in self.warnings:
                self.warnings.append(text)

    def annotate(self, key: str, value: str) -> None:
        """Adds to the audit record. The first value of a key stays, as in upstream."""
        self.annotations.setdefault(key, value)


def internal() -> RequestContext:
    """Returns the context of a write that the server makes on its own behalf."""
    return RequestContext(SYSTEM, RequestInfo(method="", path="", verb=""))


class Stream(Protocol):
    """An answer without an end in sight: 200, then whatever `next` brings until it is empty."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    async def next(self) -> Sequence[bytes]:
        """The pieces ready to be sent, at least one; none when the stream has ended."""
        ...

    def close(self) -> None:
        """The reader went away."""
        ...


@dataclass(frozen=True, slots=True)
class Forward:
    """Pass the request on to this address, body and all, and its answer back."""

    scheme: str
    host: str
    port: int
    is_node: bool = False
    """It is a node's kubelet API: show our client certificate."""

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Carry on in another protocol with this path of a node's kubelet API: exec, attach, port-forward."""

    to: Forward
    path: str


Outcome = Response | Stream | Upgrade | Forward


def json_response(body: bytes, status: int = 200) -> Response:
    return Response(status, body, JSON_HEADERS)


def with_warnings(response: Response, warnings: Sequence[str]) -> Response:
    """Returns the answer with its warnings: in one header, separated by commas (RFC 9110, 5.3)."""
    lines = ", ".join(f'299 - "{text}"' for text in _bounded([_quoted(text) for text in warnings]))
    return Response(response.status, response.body, {**response.headers, "warning": lines})


def _bounded(texts: Sequence[str]) -> list[str]:
    """As many as a header may hold, shortened if need be: clients refuse to read endless ones."""
    if sum(map(len, texts)) <= _MAX_WARNINGS:
        return list(texts)
    short = [text[:_MAX_WARNING].rstrip("\\") for text in texts]
    return short[: _MAX_WARNINGS // _MAX_WARNING]


def _quoted(text: str) -> str:
    """Without what no header may carry; a warning repeats what the client sent."""
    visible = "".join(c if c.isprintable() else " " for c in text)
    return visible.replace("\\", "\\\\").replace('"', '\\"')
