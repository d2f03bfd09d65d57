"""The server's watches: decode the objects of one API path as far as DNS needs them, and remember their keys.

`runtime.typed` is not used: it would load the types of the whole API into every DNS Pod.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from fairlead.base.keys import key_of
from fairlead.base.log import Log
from fairlead.dns.zones.records import Meta
from fairlead.machinery.values.status import status_error
from fairlead.runtime.backoff import Backoff
from fairlead.runtime.reflector import BOOKMARK, DELETED, Page, Reflector
from fairlead.runtime.streams import closing
from fairlead.runtime.transport import Request, Transport, decode_status_error


class WithMetadata(Protocol):
    """An object with metadata."""

    @property
    def metadata(self) -> Meta: ...


T = TypeVar("T", bound=WithMetadata)
_PAGE = 500
_RETRY_BASE_S = 0.05
_RETRY_CAP_S = 2.0
_HEADERS = {"accept": "application/json", "user-agent": "fairlead-dns"}


class _ListMeta(msgspec.Struct):
    resourceVersion: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Event(msgspec.Struct):
    type: str = ""
    object: msgspec.Raw = msgspec.Raw(b"null")


_EVENT = msgspec.json.Decoder(_Event)


class PathSource(Generic[T]):
    """Implements `Source` for the objects below one path of the API."""

    def __init__(self, transport: Transport, path: str, type: type[T], *, fields: str = "") -> None:
        self._transport = transport
        self._path = path
        self._query = {"fieldSelector": fields} if fields else {}
        many = msgspec.defstruct(
            "Many",
            [
                ("metadata", _ListMeta, msgspec.field(default_factory=_ListMeta)),
                ("items", list[type] | None, None),  # type: ignore[valid-type]
            ],
        )
        self._many: msgspec.json.Decoder[Any] = msgspec.json.Decoder(many)
        self._one = msgspec.json.Decoder(type)

    async def pages(self) -> AsyncIterator[Page[T]]:
        token = ""
        while True:
            query = {**self._query, "limit": str(_PAGE), **({"continue": token} if token else {})}
            response = await self._transport.request(Request("GET", self._path, query, _HEADERS))
            if response.status != 200:
                raise decode_status_error(response.status, response.body)
            page = self._many.decode(response.body)
            yield Page(page.items or (), page.metadata.resourceVersion)
            token = page.metadata.continue_
            if not token:
                return

    async def batches(self, resource_version: str) -> AsyncIterator[Sequence[tuple[str, T]]]:
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": resource_version}
        request = Request("GET", self._path, self._query | query, _HEADERS)
        async with closing(self._transport.stream(request)) as batches:
            async for lines in batches:
                yield [self._event(line) for line in lines]

    def _event(self, line: bytes) -> tuple[str, T]:
        event = _EVENT.decode(line)
        if event.type == "ERROR":
            raise status_error(msgspec.json.decode(event.object))
        return event.type, self._one.decode(event.object)


class KeySink(Generic[T]):
    """Implements `Sink`: passes objects on and keeps only their keys, to find deleted objects after a new list."""

    def __init__(
        self, on_object: Callable[[str, T | None], object], flush: Callable[[], object], *, name: str, log: Log
    ) -> None:
        """`on_object(key, object)` gets None for a deleted object; `flush` is called after each batch."""
        self._put = on_object
        self._flush = flush
        self._name = name
        self._log = log
        self._known: set[str] = set()
        self._listed: set[str] = set()

    def list_began(self) -> None:
        self._listed = set()

    def listed(self, items: Sequence[T]) -> None:
        for item in items:
            key = key_of(item.metadata)
            self._listed.add(key)
            self._put(key, item)

    def list_ended(self, resource_version: str) -> None:
        for key in self._known - self._listed:
            self._put(key, None)
        self._known, self._listed = self._listed, set()
        self._flush()

    def changed(self, type: str, item: T) -> None:
        if type == BOOKMARK:
            return
        key = key_of(item.metadata)
        if type == DELETED:
            self._known.discard(key)
            self._put(key, None)
        else:
            self._known.add(key)
            self._put(key, item)

    def batch_ended(self) -> None:
        self._flush()

    def lost(self, error: Exception) -> None:
        self._log.warn("lost the API", path=self._name, error=str(error) or type(error).__name__)


def reflect(  # noqa: PLR0913 -- all but three are by keyword
    transport: Transport,
    path: str,
    type: type[T],
    *,
    on_object: Callable[[str, T | None], object],
    flush: Callable[[], object],
    log: Log,
    fields: str = "",
) -> Reflector[T]:
    """Returns a reflector that passes every object below the path to `on_object`."""
    return Reflector(
        PathSource(transport, path, type, fields=fields),
        KeySink(on_object, flush, name=path, log=log),
        backoff=Backoff(base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S, rng=random.Random(path)),
        name=path,
        log=log,
    )


async def post(transport: Transport, path: str, tree: dict[str, Any]) -> None:
    """Creates an object. Raises StatusError, ConnectionError."""
    headers = {**_HEADERS, "content-type": "application/json"}
    response = await transport.request(Request("POST", path, {}, headers, msgspec.json.encode(tree)))
    if response.status >= 300:
        raise decode_status_error(response.status, response.body)
