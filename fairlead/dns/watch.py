"""A small client of the API: lists in pages, watches, creates Events. HTTP/1.1 over asyncio's own streams.

`runtime.informer` over `runtime.http` does the same and costs 13 MB more of memory in every DNS pod, for one HTTP
library and the whole of the API's kinds. What it has that is not needed here is left out: writes, selectors in plenty,
shared caches, objects that stay.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from fairlead.base.keys import key_of
from fairlead.base.log import Log
from fairlead.dns.records import Meta

T = TypeVar("T", bound=msgspec.Struct)
_PAGE = 500
_CONNECT_S = 5.0
_ANSWER_S = 30.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_LIMIT = 1 << 16


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quote(text: str) -> str:
    """For a query string. `urllib.parse` does it too, and brings `ipaddress`: 0.3 MB in every DNS pod."""
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode())


class Gone(Exception):
    """The server no longer has what came after our version: list anew."""


class _ListMeta(msgspec.Struct):
    resourceVersion: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


_STATUS = msgspec.json.Decoder(_Status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the API is reached. The token is read each time: it is renewed."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    token: Callable[[], str]


class Api:
    def __init__(self, access: Access) -> None:
        self._access = access

    async def get(self, path: str) -> bytes:
        async with self._request("GET", path) as (status, body):
            data = b"".join([chunk async for chunk in body])
            if status == 410:
                raise Gone
            if status != 200:
                raise ConnectionError(f"HTTP {status}: {data[:200].decode(errors='replace')}")
            return data

    async def post(self, path: str, tree: dict[str, Any]) -> None:
        async with self._request("POST", path, json.dumps(tree).encode()) as (status, body):
            data = b"".join([chunk async for chunk in body])
            if status not in (200, 201):
                raise ConnectionError(f"HTTP {status}: {data[:200].decode(errors='replace')}")

    @asynccontextmanager
    async def lines(self, path: str) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """The lines of a watch, as many at a time as have come."""
        async with self._request("GET", path) as (status, body):
            if status == 410:
                raise Gone
            if status != 200:
                raise ConnectionError(f"HTTP {status}")
            yield _lines(body)

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, body: bytes = b""
    ) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        access = self._access
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(access.host, access.port, ssl=access.tls, limit=_LIMIT)
        except TimeoutError as error:
            raise ConnectionError("timed out") from error
        try:
            head = [
                f"{method} {path} HTTP/1.1",
                f"Host: {access.host}",
                "Accept: application/json",
                "User-Agent: fairlead-dns",
            ]
            if token := access.token():
                head.append(f"Authorization: Bearer {token}")
            if body:
                head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
            writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            async with asyncio.timeout(_ANSWER_S):
                answer = await reader.readuntil(b"\r\n\r\n")
            status, fields = _parse_head(answer)
            yield status, _body(reader, fields)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ssl.SSLError) as error:
            raise ConnectionError(str(error) or "timed out") from error
        finally:
            writer.transport.abort()


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in rest if ": " in line)
    return int(first.split(" ", 2)[1]), fields


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> AsyncIterator[bytes]:
    if fields.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            while size > 0:
                data = await reader.read(min(size, _LIMIT))
                if not data:
                    raise ConnectionError("the server closed in the middle of an answer")
                size -= len(data)
                yield data
            await reader.readexactly(2)
    elif "content-length" in fields:
        left = int(fields["content-length"])
        while left > 0:
            data = await reader.read(min(left, _LIMIT))
            if not data:
                raise ConnectionError("the server closed in the middle of an answer")
            left -= len(data)
            yield data
    else:
        while data := await reader.read(_LIMIT):
            yield data


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    rest = b""
    async for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        if whole:
            whole[0] = rest + whole[0]
            rest = last
            yield [line for line in whole if line]
        else:
            rest += last


class Follower(Generic[T]):
    """Keeps `take(key, object | None)` told of every object of one kind; `settled` is called after each batch."""

    def __init__(  # noqa: PLR0913 -- all but two are by keyword
        self,
        api: Api,
        path: str,
        kind: type[T],
        *,
        take: Callable[[str, T | None], object],
        settled: Callable[[], object],
        log: Log,
        fields: str = "",
    ) -> None:
        self._api = api
        self._path = path
        self._query = f"&fieldSelector={quote(fields)}" if fields else ""
        self._take = take
        self._settled = settled
        self._log = log
        self._known: set[str] = set()
        self._version = ""
        self._pause_s = _FIRST_PAUSE_S
        many = msgspec.defstruct(
            "Many",
            [
                ("metadata", _ListMeta, msgspec.field(default_factory=_ListMeta)),
                ("items", list[kind] | None, None),  # type: ignore[valid-type]
            ],
        )
        event = msgspec.defstruct("Event", [("type", str, ""), ("object", msgspec.Raw, msgspec.Raw(b"null"))])
        self._many: msgspec.json.Decoder[Any] = msgspec.json.Decoder(many)
        self._event: msgspec.json.Decoder[Any] = msgspec.json.Decoder(event)
        self._one = msgspec.json.Decoder(kind)
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """For ever. Whatever happens to the server, what is known stays until something newer is known."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._follow()
            except Gone:
                self._version = ""
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                if isinstance(error, msgspec.MsgspecError):
                    self._version = ""
                self._log.warn("lost the API", path=self._path, error=str(error) or type(error).__name__)
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)

    async def _list(self) -> None:
        found: set[str] = set()
        token = version = ""
        while True:
            more = f"&continue={quote(token)}" if token else ""
            page = self._many.decode(await self._api.get(f"{self._path}?limit={_PAGE}{self._query}{more}"))
            for item in page.items or ():
                key = key_of(item.metadata)
                found.add(key)
                self._take(key, item)
            version, token = page.metadata.resourceVersion, page.metadata.continue_
            if not token:
                break
        for key in self._known - found:
            self._take(key, None)
        self._known = found
        self._version = version
        self._settled()
        self.synced.set()
        self._pause_s = _FIRST_PAUSE_S

    async def _follow(self) -> None:
        path = f"{self._path}?watch=true&allowWatchBookmarks=true&resourceVersion={self._version}{self._query}"
        async with self._api.lines(path) as batches:
            async for batch in batches:
                for line in batch:
                    self._event_came(line)
                self._settled()
                self._pause_s = _FIRST_PAUSE_S

    def _event_came(self, line: bytes) -> None:
        event = self._event.decode(line)
        if event.type == "ERROR":
            status = _STATUS.decode(event.object)
            if status.code == 410:
                raise Gone
            raise ConnectionError(f"the watch failed: {status.message}")
        item: Any = self._one.decode(event.object)
        meta: Meta = item.metadata
        self._version = meta.resourceVersion
        if event.type == "BOOKMARK":
            return
        key = key_of(meta)
        if event.type == "DELETED":
            self._known.discard(key)
            self._take(key, None)
        else:
            self._known.add(key)
            self._take(key, item)
