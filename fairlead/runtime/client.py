"""The client interface of all components. `cmd/` chooses the transport that carries it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from fairlead.api.meta.types import Object
from fairlead.machinery.kind import Kind
from fairlead.runtime.transport import Request as Request
from fairlead.runtime.transport import Response as Response
from fairlead.runtime.transport import Transport as Transport

T = TypeVar("T", bound=Object)

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


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
    """Typed verbs. All raise `StatusError` for an API error and `ConnectionError` if the server does not answer."""

    async def get(self, kind: Kind[T], name: str, namespace: str = "") -> T: ...

    async def list(self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "") -> Listing[T]: ...

    def watch(
        self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "", resource_version: str
    ) -> AsyncIterator[WatchEvent[T]]: ...

    async def create(self, kind: Kind[T], obj: T) -> T:
        """Creates the object in `obj.metadata.namespace`."""
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
        """Sends any other request, such as `pods/binding` or `serviceaccounts/token`."""
        ...
