"""Watchers that only count: N TLS connections with one watch each, and a signal after the last event."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass, field

_EVENT = b'{"type":"MODIFIED"'


@dataclass
class Tally:
    """`last` is set when all expected events have been seen by all."""

    expected: int
    seen: int = 0
    finished_at: float = 0.0
    last: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, count: int) -> None:
        self.seen += count
        if self.seen >= self.expected and not self.last.is_set():
            self.finished_at = time.perf_counter()
            self.last.set()


class _Watcher(asyncio.Protocol):
    def __init__(self, request: bytes, tally: Tally, ready: asyncio.Future[None]) -> None:
        self._request, self._tally, self._ready = request, tally, ready
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self._ready.done():
            if not data.startswith(b"HTTP/1.1 200"):
                self._ready.set_exception(ConnectionError(data[:200].decode(errors="replace")))
                return
            self._ready.set_result(None)
        data = self._rest + data
        count = data.count(_EVENT)
        end = data.rfind(_EVENT) + len(_EVENT) if count else 0
        self._rest = data[max(end, len(data) - len(_EVENT) + 1) :]
        if count:
            self._tally.add(count)


async def watch(
    port: int, tls: ssl.SSLContext, path: str, tally: Tally, *, watchers: int
) -> list[asyncio.BaseTransport]:
    """Returns when all are being served."""
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()
    ready: list[asyncio.Future[None]] = [loop.create_future() for _ in range(watchers)]
    transports: list[asyncio.BaseTransport] = []
    for future in ready:

        def protocol(future: asyncio.Future[None] = future) -> _Watcher:
            return _Watcher(request, tally, future)

        transport, _ = await loop.create_connection(protocol, "127.0.0.1", port, ssl=tls, server_hostname="127.0.0.1")
        transports.append(transport)
    await asyncio.gather(*ready)
    return transports
