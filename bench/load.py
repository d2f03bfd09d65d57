"""A load generator for one API server: N keep-alive TLS connections, one request at a time each, bounded by count.

Written on bare asyncio protocols, so that on two cores the generator is not the bottleneck.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True)
class Result:
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    def __str__(self) -> str:
        return f"{self.rate:8.0f}/s   p50 {self.p50_ms:6.2f} ms   p99 {self.p99_ms:6.2f} ms   errors {self.errors}"


class _Connection(asyncio.Protocol):
    def __init__(
        self, next_request: Callable[[], bytes | None], latencies: list[float], done: asyncio.Future[int]
    ) -> None:
        self._next, self._latencies, self._done = next_request, latencies, done
        self._buffer = b""
        self._errors = 0
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's TLS transport is none by inheritance
        self._send()

    def _send(self) -> None:
        request = self._next()
        if request is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(self._errors)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) < head_end + 4 + length:
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        if not head.startswith(b"http/1.1 2"):
            self._errors += 1
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed by the server"))


async def run(
    port: int, tls: ssl.SSLContext, next_request: Callable[[], bytes | None], *, connections: int = 16
) -> Result:
    """Sends what `next_request` hands out until it is None; every answer must carry a Content-Length."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    done: list[asyncio.Future[int]] = [loop.create_future() for _ in range(connections)]
    start = time.perf_counter()
    for future in done:

        def protocol(future: asyncio.Future[int] = future) -> _Connection:
            return _Connection(next_request, latencies, future)

        await loop.create_connection(protocol, "127.0.0.1", port, ssl=tls, server_hostname="127.0.0.1")
    errors = sum(await asyncio.gather(*done))
    seconds = time.perf_counter() - start
    latencies.sort()
    count = len(latencies)
    return Result(count, seconds, latencies[count // 2] * 1e3, latencies[int(count * 0.99)] * 1e3, errors)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    return _with_body("POST", path, "application/json", body)


def merge_patch(path: str, body: bytes) -> bytes:
    return _with_body("PATCH", path, "application/merge-patch+json", body)


def _with_body(method: str, path: str, media: str, body: bytes) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
