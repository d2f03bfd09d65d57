"""The transport over the network: HTTP/1.1 with keep-alive, by h11 over asyncio's streams.

What must stay true: an answer is read to its end before its connection is used again; a connection is closed if it was
left in the middle of an exchange. If the server closed an idle connection, a request on it that only reads is repeated
on a new one. A watch may last for any time; TCP finds a half-dead peer.

Rejected: aiohttp's client (10 MB and 0.16 s of import in every process that is only a client).
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import h11

from fairlead.runtime.lines import LineSplitter
from fairlead.runtime.transport import Request, Response, decode_status_error
from fairlead.runtime.writers import send

_CONNECT_S = 5.0
_REQUEST_S = 60.0
_READ = 1 << 16
_MAX_HEAD = 1 << 18
_IDLE_S = 60.0
"""Time for which an unused connection is kept; servers close theirs after 90 s."""
_MOST_IDLE = 16
_TLS_BUFFER = 1 << 15
"""Two of the largest TLS records (RFC 8446, section 5.1)."""


class _Connection:
    """One connection with the state of the protocol."""

    __slots__ = ("idle_since", "protocol", "reader", "used", "writer")

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self.reader = reader
        self.writer = writer
        self.used = False
        """True after the first answer was read from the connection."""
        self.idle_since = 0.0

    async def send(self, head: h11.Request, body: bytes) -> None:
        data = self.protocol.send(head)
        if body:
            data = (data or b"") + (self.protocol.send(h11.Data(data=body)) or b"")
        data = (data or b"") + (self.protocol.send(h11.EndOfMessage()) or b"")
        await send(self.writer, data)

    async def head(self) -> h11.Response:
        """Returns the head of the answer; skips interim answers (1xx)."""
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                self.used = True
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise ConnectionError("the server closed the connection before an answer")

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yields the body in pieces as they arrive; each piece holds all bytes that have arrived."""
        while True:
            pieces: list[bytes] = []
            event = await self._event()
            while isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
                event = self.protocol.next_event()
            if pieces:
                yield b"".join(pieces)
            if isinstance(event, h11.EndOfMessage):
                return
            if event is not h11.NEED_DATA:
                raise ConnectionError("the server closed the connection in the middle of an answer")

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self.protocol.next_event()) is h11.NEED_DATA:
            self.protocol.receive_data(await self.reader.read(_READ))
        return event

    def reusable(self) -> bool:
        """Returns whether another request may be sent; resets the protocol for it."""
        if self.protocol.our_state is h11.DONE and self.protocol.their_state is h11.DONE:
            self.protocol.start_next_cycle()
            return True
        return False

    def alive(self, now: float) -> bool:
        return now - self.idle_since < _IDLE_S and not self.reader.at_eof() and not self.writer.is_closing()

    def abort(self) -> None:
        self.writer.transport.abort()


class HttpTransport:
    """Implements `Transport`. Opens connections as needed, until `close`."""

    def __init__(
        self,
        base_url: str,
        *,
        ssl_context: ssl.SSLContext | None,
        headers: Mapping[str, str] | None = None,
        token: Callable[[], str] | None = None,
        server_name: str = "",
    ) -> None:
        """Calls `token` before each request, since tokens are renewed; an empty token is not sent. `server_name` is the
        name in the server's certificate, if that is not the URL's host. For `https`, without an `ssl_context` the
        system's certificate authorities are trusted."""
        url = urlsplit(base_url)
        self._tls = (ssl_context or ssl.create_default_context()) if url.scheme == "https" else None
        self._server_name = server_name
        self._address = (url.hostname or "", url.port or (443 if self._tls else 80))
        self._prefix = url.path.rstrip("/")
        self._token = token
        self._headers = [("host", url.netloc.rpartition("@")[2])]
        self._headers += [(name.lower(), value) for name, value in (headers or {}).items()]
        self._idle: list[_Connection] = []

    async def request(self, request: Request) -> Response:
        with _as_connection_error():
            async with asyncio.timeout(_REQUEST_S):
                connection, head = await self._begin(request)
                try:
                    body = b"".join([chunk async for chunk in connection.chunks()])
                except BaseException:
                    connection.abort()
                    raise
        self._release(connection)
        return Response(head.status_code, body, {k.decode(): v.decode("latin-1") for k, v in head.headers})

    async def stream(self, request: Request) -> AsyncIterator[Sequence[bytes]]:
        with _as_connection_error():
            async with asyncio.timeout(_REQUEST_S):
                connection, head = await self._begin(request)
            try:
                if head.status_code != 200:
                    body = b"".join([chunk async for chunk in connection.chunks()])
                    raise decode_status_error(head.status_code, body)
                splitter = LineSplitter()
                async for chunk in connection.chunks():
                    if lines := splitter.feed(chunk):
                        yield lines
            finally:
                connection.abort()

    async def close(self) -> None:
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    async def _begin(self, request: Request) -> tuple[_Connection, h11.Response]:
        """Sends a request and returns its connection with the head of the answer."""
        head = self._head(request)
        while True:
            connection = self._pop_idle() or await self._connect()
            reused = connection.used
            try:
                await connection.send(head, request.body)
                return connection, await connection.head()
            except (ConnectionError, h11.RemoteProtocolError):
                connection.abort()
                if not reused or request.method not in ("GET", "HEAD"):
                    raise
            except BaseException:
                connection.abort()
                raise

    def _head(self, request: Request) -> h11.Request:
        headers = [*self._headers, *request.headers.items()]
        if self._token is not None and (token := self._token()):
            headers.append(("authorization", f"Bearer {token}"))
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            headers.append(("content-length", str(len(request.body))))
        return h11.Request(method=request.method, target=self._prefix + target_of(request), headers=headers)

    def _pop_idle(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.alive(now):
                return connection
            connection.abort()
        return None

    def _release(self, connection: _Connection) -> None:
        if connection.reusable() and len(self._idle) < _MOST_IDLE:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.abort()

    async def _connect(self) -> _Connection:
        host, port = self._address
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(
                host,
                port,
                ssl=self._tls,
                server_hostname=(self._server_name or None) if self._tls else None,
                limit=_READ,
            )
        return _Connection(reader, writer)


def shrink_tls_buffers() -> None:
    """Lets asyncio's TLS connections of this process, those opened later, keep 32 KiB each in place of 256 KiB.

    uvloop's connections are not affected: they do not touch most of their buffer.
    """
    sslproto.SSLProtocol.max_size = _TLS_BUFFER


def target_of(request: Request) -> str:
    """Returns the path, which is encoded already, with the query."""
    query = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in request.query.items())
    return f"{request.path}?{query}" if query else request.path


@contextmanager
def _as_connection_error() -> Iterator[None]:
    """Turns every error of the network or of the peer into ConnectionError."""
    try:
        yield
    except TimeoutError as error:
        raise ConnectionError("timed out") from error
    except h11.ProtocolError as error:
        raise ConnectionError(f"no valid HTTP: {error}") from error
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        raise ConnectionError(str(error)) from error
