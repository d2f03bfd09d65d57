"""Calls webhooks: POST of JSON over TLS, to a Service's endpoint or a URL.

What must stay true: a server that hangs, dies or answers without end costs the requests that call it, and nothing
else; each call ends at its time-out, an answer has a greatest size, and names are resolved by threads of this module.
HTTP proxies of the environment are not used, redirects are not followed, and no credentials are sent.

Connections are kept and used again for the same endpoint and certificates. A Service is resolved for each call, so a
connection to an endpoint that has left the Service is not used any more; upstream uses it until it breaks.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from fairlead.apiserver.webhook.model import CallError, WebhookTarget
from fairlead.apiserver.webhook.services import ServiceResolver
from fairlead.apiserver.webhook.status import failure_text
from fairlead.apiserver.webhook.tls import client_context, tls_problem

MOST_BYTES = 16 << 20
"""Greatest size of an answer, in bytes, unless the caller says otherwise."""
_MOST_BUNDLES = 200
"""Greatest number of TLS contexts that are kept, as upstream keeps clients."""
_IDLE_S = 30.0
_RESOLVING_THREADS = 4
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, */*",
    "User-Agent": "kube-apiserver-admission",
}


class WebhookCaller:
    """Calls webhooks over kept connections, until `close`."""

    def __init__(self, services: ServiceResolver) -> None:
        self._services = services
        self._context = lru_cache(maxsize=_MOST_BUNDLES)(client_context)
        self._names = _NameResolver()
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, target: WebhookTarget, body: bytes, *, timeout_s: float, most_bytes: int = MOST_BYTES
    ) -> bytes:
        """Returns the body of the answer, whose status was a success. Raises CallError."""
        url = _with_timeout(target.full_url, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._post(target, url, body, most_bytes)
        except TimeoutError as e:
            raise CallError(f'Post "{url}": context deadline exceeded', timed_out=True) from e

    async def close(self) -> None:
        """Closes all connections; calls that are under way fail."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self._names.close()

    async def _post(self, target: WebhookTarget, url: str, body: bytes, most_bytes: int) -> bytes:
        where, name = URL(url), urlsplit(url).hostname or ""
        try:
            if target.service is not None:
                host, port = self._services.resolve(target.service)
                where = where.with_host(host).with_port(port)
            tls = self._context(target.ca_bundle)
        except (CallError, ValueError) as e:
            raise CallError(f'Post "{url}": {e}') from e
        while True:
            reuse = SimpleNamespace(reused=False)
            try:
                return await self._exchange(where, _host(url), name, tls, body, most_bytes, reuse)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as e:
                # The server has closed an idle connection; the call goes out again on another one.
                if not reuse.reused:
                    raise CallError(f'Post "{url}": {_problem(e, name)}') from e
            except (aiohttp.ClientError, OSError, ValueError) as e:
                raise CallError(f'Post "{url}": {_problem(e, name)}') from e

    async def _exchange(  # noqa: PLR0913 -- one request with all that it is made of
        self,
        where: URL,
        host: str,
        name: str,
        tls: ssl.SSLContext,
        body: bytes,
        most_bytes: int,
        reuse: SimpleNamespace,
    ) -> bytes:
        request = self._client().post(
            where,
            data=body,
            headers=_HEADERS | {"Host": host},
            ssl=tls,
            server_hostname=name,
            allow_redirects=False,
            skip_auto_headers=("Accept-Encoding",),
            trace_request_ctx=reuse,
        )
        async with request as answer:
            found = bytearray()
            while chunk := await answer.content.readany():
                found += chunk
                if len(found) > most_bytes:
                    answer.close()
                    raise CallError(f"the answer is larger than {most_bytes} bytes")
            if not 200 <= answer.status <= 206:
                raise CallError(failure_text(answer.status, bytes(found), answer.content_type))
            return bytes(found)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
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
        return self._session


class _NameResolver(AbstractResolver):
    """Resolves the host names of URLs on threads of its own: the system's resolver may block for long."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_RESOLVING_THREADS, "webhook-names")
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def _look_up(host: str, port: int, family: int) -> list[Any]:
    return socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)


async def _note_reuse(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.reused = True


def _with_timeout(url: str, timeout_s: float) -> str:
    """Returns the URL with the time-out as upstream tells it to the server, in whole seconds."""
    return f"{url}{'&' if '?' in url else '?'}timeout={max(1, -int(-timeout_s // 1))}s"


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


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
