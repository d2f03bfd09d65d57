"""The HTTPS client of webhook calls: kept connections, bounded answers, errors in the words of Go's client.

What must stay true: host names are resolved by threads of this module, because the system's resolver may block for
long.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from fairlead.apiserver.webhook.model import CallError
from fairlead.apiserver.webhook.tls import tls_problem
from fairlead.runtime.transport import Response

_IDLE_S = 30.0
_RESOLVING_THREADS = 4
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, */*",
    "User-Agent": "kube-apiserver-admission",
}


class HttpsClient:
    """Sends POST requests, until `close`."""

    def __init__(self) -> None:
        self._names = _NameResolver()
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._names, use_dns_cache=False, limit=0, keepalive_timeout=_IDLE_S
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            trace_configs=[trace],
            trust_env=False,
        )

    async def post(
        self, url: str, body: bytes, *, address: tuple[str, int] | None, tls: ssl.SSLContext, most_bytes: int
    ) -> Response:
        """Returns the answer, whatever its status. Connects to `address` if that is given, under the names of the URL.
        Raises CallError."""
        where, parts = URL(url), urlsplit(url)
        if address is not None:
            where = where.with_host(address[0]).with_port(address[1])
        name = parts.hostname or ""
        while True:
            reuse = SimpleNamespace(reused=False)
            request = self._session.post(
                where,
                data=body,
                headers=_HEADERS | {"Host": parts.netloc.rpartition("@")[2]},
                ssl=tls,
                server_hostname=name,
                allow_redirects=False,
                skip_auto_headers=("Accept-Encoding",),
                trace_request_ctx=reuse,
            )
            try:
                async with request as answer:
                    return await _read(answer, most_bytes)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as e:
                # The server has closed an idle connection; the call goes out again on another one.
                if not reuse.reused:
                    raise CallError(f'Post "{url}": {_problem(e, name)}') from e
            except (aiohttp.ClientError, OSError, ValueError) as e:
                raise CallError(f'Post "{url}": {_problem(e, name)}') from e

    async def close(self) -> None:
        await self._session.close()
        await self._names.close()


async def _read(answer: aiohttp.ClientResponse, most_bytes: int) -> Response:
    body = bytearray()
    while chunk := await answer.content.readany():
        body += chunk
        if len(body) > most_bytes:
            answer.close()
            raise CallError(f"the answer is larger than {most_bytes} bytes")
    return Response(answer.status, bytes(body), {"content-type": answer.content_type})


class _NameResolver(AbstractResolver):
    """Resolves the host names of URLs."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_RESOLVING_THREADS, "webhook-names")
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(self._threads, _look_up, host, port, family)
        return [
            ResolveResult(
                hostname=host, host=found[0], port=found[1], family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, _, protocol, _, found in addresses
        ]

    async def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def _look_up(host: str, port: int, family: int) -> list[Any]:
    return socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)


async def _note_reuse(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.reused = True


def _problem(error: BaseException, name: str) -> str:
    """Returns the text for an exchange that failed."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {name}: no such host"
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(cause, ssl.SSLError):
        return tls_problem(cause, name)
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "EOF"
    if isinstance(error, aiohttp.ClientResponseError):
        return "malformed HTTP response"
    if isinstance(cause, OSError):
        text = os.strerror(cause.errno) if cause.errno else str(cause)
        return f"{_verb(error, cause)}: {text.lower()}"
    return str(error) or type(error).__name__


def _verb(error: BaseException, cause: OSError) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"dial tcp {error.host}:{error.port}: connect"
    return "read" if cause.errno in (errno.ECONNRESET, errno.EPIPE) else "connection"
