"""The TLS transport: HTTP/1.1 with keep-alive over aiohttp.

A watch has no total timeout; a half-dead peer is found by the next heartbeat of the server, or by TCP. Whatever
aiohttp raises becomes ConnectionError here, so that callers need not know it.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager

import aiohttp
from yarl import URL

from fairlead.runtime.client import Request, Response
from fairlead.runtime.typed import decode_status_error

_CONNECT_S = 5.0
_REQUEST_S = 60.0
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)


class HttpTransport:
    """Implements `Transport`. Opens its session on the first request; `close` it when done."""

    def __init__(
        self,
        base_url: str,
        *,
        ssl_context: ssl.SSLContext | None,
        headers: Mapping[str, str] | None = None,
        token: Callable[[], str] | None = None,
        server_name: str = "",
    ) -> None:
        """`token` is asked before each request, since tokens are renewed; `server_name` is what the server's
        certificate says, where that is not the URL's host."""
        self._base = base_url.rstrip("/")
        self._ssl = ssl_context
        self._headers = dict(headers or {})
        self._token = token
        self._server_name = server_name or None
        self._session: aiohttp.ClientSession | None = None

    async def request(self, request: Request) -> Response:
        with _as_connection_error():
            async with self._open().request(
                request.method,
                self._url(request),
                headers=self._heads(request),
                data=request.body or None,
                server_hostname=self._server_name,
            ) as response:
                body = await response.read()
                return Response(response.status, body, {k.lower(): v for k, v in response.headers.items()})

    async def stream(self, request: Request) -> AsyncIterator[bytes]:
        with _as_connection_error():
            async with self._open().request(
                request.method,
                self._url(request),
                headers=self._heads(request),
                data=request.body or None,
                timeout=_STREAM,
                server_hostname=self._server_name,
            ) as response:
                if response.status != 200:
                    raise decode_status_error(response.status, await response.read())
                async for line in _lines(response.content.iter_any()):
                    yield line

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _heads(self, request: Request) -> Mapping[str, str]:
        if self._token is None:
            return request.headers
        return {**request.headers, "Authorization": f"Bearer {self._token()}"}

    def _url(self, request: Request) -> URL:
        url = URL(self._base + request.path, encoded=True)
        return url.with_query(dict(request.query)) if request.query else url

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._ssl or True, limit=0, keepalive_timeout=60.0)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=_REQUEST_S, sock_connect=_CONNECT_S),
                auto_decompress=True,
                trust_env=False,
                # Who names no program is one of our own to the API server (`apiserver.tracking`).
                skip_auto_headers=("User-Agent",),
            )
        return self._session


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Splits at newlines without a limit on a line's length (aiohttp's own reader has one)."""
    rest: list[bytes] = []
    async for chunk in chunks:
        head, *more = chunk.split(b"\n")
        rest.append(head)
        for piece in more:
            line = b"".join(rest)
            rest = [piece]
            if line:
                yield line


@contextmanager
def _as_connection_error() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientError as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
    except TimeoutError as error:
        raise ConnectionError("timed out") from error
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        raise ConnectionError(str(error)) from error
