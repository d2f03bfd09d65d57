"""Serves HTTP on listening sockets to faulty and hostile clients; every aiohttp server of the project uses this module.

What must stay true: the number, memory and time of unauthenticated clients are bounded whatever they do, and nothing
that they send reaches the log. Time-outs are upstream's (32 s for a TLS handshake and for a request's head, 90 s
between requests). Connections are accepted here because asyncio's servers neither bound connections nor know of a TLS
handshake in progress.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from fairlead.base.dataclass import dataclass
from fairlead.base.tasks import Nursery
from fairlead.net.linux import trim_heap
from fairlead.runtime.accepting import Acceptor
from fairlead.runtime.connections import Connections, Limits

_BACKLOG = 1024
MAX_LINE = 64 << 10
"""The length limit of the request line and of each header, in bytes. An exec carries its command in the path."""
_MAX_HEAD = 256 << 10
_CLOSE_S = 2.0
"""Seconds to wait for the peer's half of the TLS closure."""
_LINGER_S = 2.0
"""Seconds to read the rest of an unwanted request body."""
_TRIM_FROM = 64
"""The number of connections open at once from which their memory is given back after they close."""
_TRIM_S = 1.0


@dataclass(frozen=True, slots=True)
class Times:
    """Time limits for clients, in seconds."""

    head_s: float = 32.0
    """For a TLS handshake, and for the head of a connection's first request."""
    idle_s: float = 90.0
    """From an answer to the end of the next request's head."""


LIMITS, UPSTREAM = Limits(), Times()


@dataclass(eq=False, slots=True)
class Accepted:
    """A connection from its first packet on: first its handshake, then its transport."""

    sock: socket.socket
    handler: Handler | None = None
    transport: asyncio.Transport | None = None

    def abort(self) -> None:
        if self.handler is not None and self.transport is not None:
            self.handler.force_close()  # otherwise an answer in progress would be written to a closed transport
            self.transport.abort()
            return
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)  # ends the handshake


class Handler(web.RequestHandler):
    """One HTTP connection with bounds on the time and the size of a request's head."""

    __slots__ = ("_accepted", "_first", "_head_bytes", "_server")

    def __init__(self, manager: web.Server, server: HttpServer, accepted: Accepted, **options: Any) -> None:
        super().__init__(manager, **options)
        self._server = server
        self._accepted = accepted
        self._first: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._accepted.handler, self._accepted.transport = self, cast(asyncio.Transport, transport)
        super().connection_made(transport)
        self._first = asyncio.get_running_loop().call_later(self._server.times.head_s, self._check_first)

    def authenticated(self, user: str) -> None:
        """Records the user of the connection."""
        self._server.connections.authenticated(self._accepted, user)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._first is not None:
            self._first.cancel()
            self._first = None
        self._server.ended(self._accepted)
        # a reference cycle would keep the memory until the garbage collector runs
        self._accepted.handler = self._accepted.transport = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiter = self._waiter
        if waiter is None or waiter.done():  # a complete request was read, or is being answered
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > _MAX_HEAD:
            self._accepted.abort()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Logs an exception unless the client sent malformed HTTP."""
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError | HttpProcessingError | ConnectionError):
            super().log_exception(*args, **kw)

    def _check_first(self) -> None:
        if not self._request_count:
            self._accepted.abort()


class HttpServer:
    """An HTTP server on listening sockets, from `start` until `stop`."""

    def __init__(
        self,
        manager: web.Server,
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits = LIMITS,
        times: Times = UPSTREAM,
        handler: type[Handler] = Handler,
    ) -> None:
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.connections = Connections(limits.within(descriptors))
        self.times = times
        self._manager = manager
        self._tls = tls
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._nursery = Nursery()
        self._acceptors: list[Acceptor] = []
        self._most = 0

    async def start(self, socks: Sequence[socket.socket]) -> None:
        """Starts to accept connections. Owns the sockets."""
        await self._nursery.__aenter__()
        for sock in socks:
            sock.listen(_BACKLOG)
            acceptor = Acceptor(sock, self._accept, exhausted=self.connections.close_oldest)
            self._acceptors.append(acceptor)
            acceptor.start()

    async def stop(self, timeout_s: float) -> None:
        """Stops accepting, and ends requests in progress after `timeout_s`."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()
        await self._nursery.__aexit__(None, None, None)
        self._manager.pre_shutdown()
        await self._manager.shutdown(timeout_s)

    def ended(self, accepted: Accepted) -> None:
        """Removes a connection; returns memory to the system after many have closed."""
        self.connections.remove(accepted)
        if self._most >= _TRIM_FROM and len(self.connections) <= self._most // 4:
            self._most = len(self.connections)
            self._loop.call_later(_TRIM_S, trim_heap)

    def _accept(self, sock: socket.socket) -> None:
        accepted = Accepted(sock)
        self.connections.add(accepted)
        self._most = max(self._most, len(self.connections))
        self._nursery.spawn(self._open(accepted))

    async def _open(self, accepted: Accepted) -> None:
        make: Callable[[], Handler] = lambda: self._handler(  # noqa: E731
            self._manager,
            self,
            accepted,
            loop=self._loop,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=self.times.idle_s,
            lingering_time=_LINGER_S,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
        )
        head_s = self.times.head_s
        times = {"ssl_handshake_timeout": head_s, "ssl_shutdown_timeout": _CLOSE_S} if self._tls else {}
        try:
            await self._loop.connect_accepted_socket(make, accepted.sock, ssl=self._tls, **times)
        except OSError:  # ssl.SSLError, TimeoutError or a connection closed by the client: not an error of the server
            self.ended(accepted)
        except asyncio.CancelledError:
            accepted.abort()
            raise
