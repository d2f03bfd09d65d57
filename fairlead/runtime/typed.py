"""`ApiClient`: the typed verbs over any transport, with one decoder for each kind.

Returned objects always have `kind` and `apiVersion` set, also out of lists, so that an owner reference or an event can
copy them from the object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

import msgspec

from fairlead.api.meta.types import Object
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import status_error
from fairlead.runtime.client import Listing, PatchType, WatchEvent
from fairlead.runtime.streams import closing
from fairlead.runtime.transport import Request, Response, Transport, decode_status_error

T = TypeVar("T", bound=Object)


class _ListMeta(msgspec.Struct):
    resourceVersion: str = ""


class _Envelope(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _List(msgspec.Struct):
    """A list of any kind. A decoder type for each kind would cost every process 2 ms a kind."""

    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] | None = None


_ENCODER = msgspec.json.Encoder()
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_JSON_BOTH_WAYS = {"accept": "application/json", "content-type": "application/json"}
_LIST = msgspec.json.Decoder(_List)
_BOOKMARK: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Object)


class ApiClient:
    """Implements `Client`. The caller closes the transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}

    async def get(self, kind: Kind[T], name: str, namespace: str = "") -> T:
        body = await self._call("GET", kind.path(namespace, name))
        return self._decode(kind, body)

    async def list(self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "") -> Listing[T]:
        body = await self._call("GET", kind.path(namespace), _selectors(labels, fields))
        listing = _LIST.decode(body)
        items = [self._decode(kind, item) for item in listing.items or ()]
        return Listing(items, listing.metadata.resourceVersion)

    async def watch(
        self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "", resource_version: str
    ) -> AsyncIterator[WatchEvent[T]]:
        query = _selectors(labels, fields)
        query |= {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": resource_version}
        async with closing(self._transport.stream(_request("GET", kind.path(namespace), query))) as lines:
            async for batch in lines:
                for line in batch:
                    event = _ENVELOPE.decode(line)
                    if event.type == "ERROR":
                        raise status_error(msgspec.json.decode(event.object))
                    # A bookmark has metadata only: the module of a kind without objects is not loaded for it.
                    mark = event.type == "BOOKMARK"
                    obj = _named(kind, _BOOKMARK.decode(event.object)) if mark else self._decode(kind, event.object)
                    yield WatchEvent(event.type, obj)  # type: ignore[arg-type]

    async def create(self, kind: Kind[T], obj: T) -> T:
        return self._decode(kind, await self._send("POST", kind.path(obj.metadata.namespace), kind, obj))

    async def update(self, kind: Kind[T], obj: T, *, subresource: str = "") -> T:
        path = kind.path(obj.metadata.namespace, obj.metadata.name, subresource)
        return self._decode(kind, await self._send("PUT", path, kind, obj))

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
        path = kind.path(namespace, name, subresource)
        request = _request("PATCH", path, {}, _ENCODER.encode(patch), content_type=type)
        return self._decode(kind, _body_of(await self._transport.request(request)))

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
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        if propagation:
            options["propagationPolicy"] = propagation
        await self._call("DELETE", kind.path(namespace, name), body=_ENCODER.encode(options))

    async def raw(self, method: str, path: str, *, body: bytes = b"", query: Mapping[str, str] | None = None) -> bytes:
        return await self._call(method, path, query or {}, body)

    async def _send(self, method: str, path: str, kind: Kind[T], obj: T) -> bytes:
        request = Request(method, path, {}, _JSON_BOTH_WAYS, _encode(kind, obj), unique=True)
        return _body_of(await self._transport.request(request))

    async def _call(self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        return _body_of(await self._transport.request(_request(method, path, query or {}, body)))

    def _decoder(self, kind: Kind[T]) -> msgspec.json.Decoder[T]:
        decoder = self._decoders.get(kind.type)
        if decoder is None:
            decoder = self._decoders[kind.type] = msgspec.json.Decoder(kind.type)
        return decoder

    def _decode(self, kind: Kind[T], body: bytes | msgspec.Raw) -> T:
        return _named(kind, self._decoder(kind).decode(body))


def _named(kind: Kind[T], obj: T) -> T:
    if not obj.kind:
        obj.kind = kind.kind
        obj.apiVersion = kind.api_version
    return obj


def _encode(kind: Kind[T], obj: T) -> bytes:
    if not obj.kind:
        obj = msgspec.structs.replace(obj, kind=kind.kind, apiVersion=kind.api_version)
    return _ENCODER.encode(obj)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    selectors = {"labelSelector": labels, "fieldSelector": fields}
    return {key: value for key, value in selectors.items() if value}


def _request(
    method: str, path: str, query: Mapping[str, str], body: bytes = b"", *, content_type: str = "application/json"
) -> Request:
    headers = {"accept": "application/json"}
    if body:
        headers["content-type"] = content_type
    return Request(method, path, query, headers, body)


def _body_of(response: Response) -> bytes:
    if response.status >= 400:
        raise decode_status_error(response.status, response.body)
    return response.body
