"""The one client interface. Components take a `Client`; which transport carries it is `cmd/`'s choice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from fairlead.api.meta.types import Object
from fairlead.machinery.kind import Kind

T = TypeVar("T", bound=Object)

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


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
    async def request(self, request: Request) -> Response: ...

    def stream(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a streaming answer (a watch) line by line, without the newlines. Raises StatusError where
        the answer is not 200, ConnectionError where the peer goes away."""
        ...


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    items: list[T]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    type: EventType
    object: T


PatchType = Literal[
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"
]


class Client(Protocol):
    """Typed verbs. All raise `StatusError` for an API error and `ConnectionError` where no server answers."""

    async def get(self, kind: Kind[T], name: str, namespace: str = "") -> T: ...

    async def list(self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "") -> Listing[T]: ...

    def watch(
        self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "", resource_version: str
    ) -> AsyncIterator[WatchEvent[T]]: ...

    async def create(self, kind: Kind[T], obj: T) -> T:
        """Into `obj.metadata.namespace`."""
        ...

    async def update(self, kind: Kind[T], obj: T, *, subresource: str = "") -> T: ...

    async def patch(
        self,
        kind: Kind[T],
        name: str,
        namespace: str = "",
        *,
        patch: Any,
        type: PatchType = "application/merge-patch+json",
        subresource: str = "",
    ) -> T: ...

    async def delete(
        self,
        kind: Kind[T],
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        grace_period_seconds: int | None = None,
        propagation: str = "",
    ) -> None: ...

    async def raw(self, method: str, path: str, *, body: bytes = b"", query: Mapping[str, str] | None = None) -> bytes:
        """Any other request, such as `pods/binding` or `serviceaccounts/token`."""
        ...
