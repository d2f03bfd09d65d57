"""The client interface of all components. `cmd/` chooses the transport that carries it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Generic, Literal, Protocol, TypeVar

from fairlead.api.meta.types import Object
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.transport import Request as Request
from fairlead.runtime.transport import Response as Response
from fairlead.runtime.transport import Transport as Transport

T = TypeVar("T", bound=Object)

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """The objects of a list and its resourceVersion, from which a watch can start."""

    items: list[T]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    """One change of a watch; for a bookmark, `object` has only a resourceVersion."""

    type: EventType
    object: T


PatchType = Literal[
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"
]


class Client(Protocol):
    """Typed verbs. All raise `StatusError` for an API error and `ConnectionError` if the server does not answer."""

    async def get(self, kind: Kind[T], name: str, namespace: str = "") -> T:
        """Returns one object. `namespace` stays empty for kinds without namespaces."""
        ...

    async def list(self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "") -> Listing[T]:
        """Returns the objects that match the selectors, of all namespaces if `namespace` is empty."""
        ...

    def watch(
        self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "", resource_version: str
    ) -> AsyncIterator[WatchEvent[T]]:
        """Yields the changes after the revision, until the server closes the stream. Raises StatusError 410 if the
        revision is too old."""
        ...

    async def create(self, kind: Kind[T], obj: T) -> T:
        """Creates the object in `obj.metadata.namespace`."""
        ...

    async def update(self, kind: Kind[T], obj: T, *, subresource: str = "") -> T:
        """Replaces the object. Raises StatusError 409 if its resourceVersion is given and out of date."""
        ...

    async def patch(
        self,
        kind: Kind[T],
        name: str,
        namespace: str = "",
        *,
        patch: Any,
        type: PatchType = "application/merge-patch+json",
        subresource: str = "",
    ) -> T:
        """Patches the object and returns the result."""
        ...

    async def delete(
        self,
        kind: Kind[T],
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        grace_period_seconds: int | None = None,
        propagation: str = "",
    ) -> None:
        """Deletes the object. If `uid` is given, it is a precondition: another uid is a StatusError 409."""
        ...

    async def raw(self, method: str, path: str, *, body: bytes = b"", query: Mapping[str, str] | None = None) -> bytes:
        """Sends any other request, such as `pods/binding` or `serviceaccounts/token`."""
        ...
