"""A client's connection taken over after a protocol switch: bytes both ways, whatever they mean.

aiohttp takes a connection over only for its own WebSockets, message by message. SPDY and what is proxied may be any
protocol, and must not be changed; so the switch is answered here and the connection's bytes are taken raw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol, cast

from aiohttp import web

from fairlead.base.tasks import Nursery

_HIGH_WATER = 256 << 10
_CHUNK = 64 << 10


class Pipe(Protocol):
    """Bytes both ways."""

    async def read(self) -> bytes:
        """Returns what has arrived; nothing at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Raises ConnectionError if the other side is gone."""
        ...

    async def close(self) -> None: ...


class RawConnection:
    """What the client sends from now on, and a way to answer."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._waiting: list[bytes] = []
        self._size = 0
        self._ended = False
        self._paused = False
        self._wake = asyncio.Event()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """aiohttp's protocol calls this with what has arrived."""
        self._waiting.append(data)
        self._size += len(data)
        self._wake.set()
        if self._size > _HIGH_WATER and not self._paused and self._request.transport is not None:
            self._paused = True
            self._request.transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """Likewise, when the client has hung up."""
        self._ended = True
        self._wake.set()

    async def read(self) -> bytes:
        """What has arrived; nothing at the end."""
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
        """Raises ConnectionError where the client is gone."""
        await self._request.writer.write(data)
        await self._request.writer.drain()

    async def close(self) -> None:
        if self._request.transport is not None:
            self._request.transport.close()


async def take_over(
    request: web.BaseRequest, headers: Mapping[str, str], *, reason: str = "Switching Protocols"
) -> tuple[web.StreamResponse, RawConnection]:
    """Answers 101. The response is for the caller to return in the end; the connection is closed then."""
    response = web.StreamResponse(status=101, reason=reason, headers=headers)
    await response.prepare(request)
    connection = RawConnection(request)
    request.protocol.set_parser(cast(Any, connection))
    request.protocol.keep_alive(False)
    return response, connection


async def join(connection: RawConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies until both sides have ended, or one has failed. What one side has ended, the other still may send."""

    async def outward() -> None:
        while data := await connection.read():
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def inward() -> None:
        while data := await reader.read(_CHUNK):
            await connection.write(data)

    async with Nursery() as both:
        out = both.spawn(_quiet(outward()))
        back = both.spawn(_quiet(inward()))
        await back  # the server's end is the end; a client that went away makes the server end
        out.cancel()


async def _quiet(copying: Any) -> None:
    try:
        await copying
    except OSError:
        return  # one side is gone; closing both is all there is to do
