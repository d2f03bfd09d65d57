"""Takes over a client's connection after a protocol switch and carries uninterpreted bytes in both directions.

aiohttp takes over a connection only for its WebSockets, message by message. SPDY and proxied traffic may be any
protocol and must not be changed; so this module answers the switch and reads the raw bytes of the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol, cast

from aiohttp import web

from fairlead.base.tasks import Nursery
from fairlead.runtime.writers import end, send

_HIGH_WATER = 256 << 10
_CHUNK = 64 << 10


class Pipe(Protocol):
    """A stream of bytes in both directions."""

    async def read(self) -> bytes:
        """Returns the bytes that have arrived; empty at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Writes bytes. Raises ConnectionError if the peer closed the connection."""
        ...

    async def close(self) -> None: ...


class RawConnection:
    """The raw bytes from the client, and a way to answer."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._waiting: list[bytes] = []
        self._size = 0
        self._ended = False
        self._paused = False
        self._wake = asyncio.Event()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Called by aiohttp's protocol with the bytes that arrived."""
        self._waiting.append(data)
        self._size += len(data)
        self._wake.set()
        if self._size > _HIGH_WATER and not self._paused and self._request.transport is not None:
            self._paused = True
            self._request.transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """Called by aiohttp's protocol after the client closed its side."""
        self._ended = True
        self._wake.set()

    async def read(self) -> bytes:
        """Returns the bytes that have arrived; empty at the end."""
        while not self._waiting and not self._ended:
            self._wake.clear()
            await self._wake.wait()
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        if self._paused and self._request.transport is not None:
            self._paused = False
            self._request.transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Writes bytes. Raises ConnectionError if the client closed the connection."""
        await self._request.writer.write(data)
        await self._request.writer.drain()

    async def close(self) -> None:
        if self._request.transport is not None:
            self._request.transport.close()


async def hijack(
    request: web.BaseRequest, headers: Mapping[str, str], *, reason: str = "Switching Protocols"
) -> tuple[web.StreamResponse, RawConnection]:
    """Answers 101. The caller returns the response at the end, which closes the connection."""
    response = web.StreamResponse(status=101, reason=reason, headers=headers)
    await response.prepare(request)
    connection = RawConnection(request)
    request.protocol.set_parser(cast(Any, connection))
    request.protocol.keep_alive(False)
    return response, connection


async def join(connection: RawConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies until both sides have ended or one has failed. After one side has ended, the other may still send."""

    async def outward() -> None:
        while data := await connection.read():
            await send(writer, data)
        end(writer)

    async def inward() -> None:
        while data := await reader.read(_CHUNK):
            await connection.write(data)

    async with Nursery() as both:
        out = both.spawn(_quiet(outward()))
        back = both.spawn(_quiet(inward()))
        await back  # the server ends the exchange; if the client goes away, the server ends too
        out.cancel()


async def _quiet(copying: Any) -> None:
    try:
        await copying
    except OSError:
        return  # one side is gone; the caller closes both
