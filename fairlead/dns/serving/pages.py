"""The three HTTP ports that probes and Prometheus know: /metrics on 9153, /ready on 8181, /health on 8080."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_MOST_HEAD = 8192
_WAIT_S = 5.0
_MOST_CONNECTIONS = 64

Page = Callable[[], tuple[int, str]]
_REASONS = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}


async def serve_page(path: str, page: Page, *, address: str | None, port: int) -> asyncio.Server:
    """Serves one page; every connection carries one request. Of too many connections the oldest is closed."""
    connections: dict[asyncio.StreamWriter, None] = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[writer] = None
        if len(connections) > _MOST_CONNECTIONS:
            oldest = next(iter(connections))
            del connections[oldest]
            oldest.transport.abort()
        try:
            async with asyncio.timeout(_WAIT_S):
                await answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            connections.pop(writer, None)
            writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked = head.split(b" ", 2)[1:2]
        status, text = page() if asked and asked[0].partition(b"?")[0] == path.encode() else (404, "not found\n")
        body = text.encode()
        lines = (
            f"HTTP/1.1 {status} {_REASONS[status]}",
            "Content-Type: text/plain; version=0.0.4; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return await asyncio.start_server(handle, address, port, limit=_MOST_HEAD)
