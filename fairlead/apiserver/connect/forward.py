"""Forwards a request to a Pod, a Service's endpoint or a node, and streams the response back, both without size
limits.

As upstream: the client's Host header is kept; `X-Forwarded-*` tells the backend the original address; links to its
root are rewritten to paths below the proxy's path; certificates of Pods are not checked, because the cluster has no
authority that signs them. Every request opens a new connection: an address may belong to another Pod a moment later.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from functools import partial
from http import HTTPStatus

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from fairlead.apiserver.connect.kubelet import Kubelet
from fairlead.apiserver.connect.proxying import unavailable
from fairlead.apiserver.connect.rewrite import rewrite_html, rewrite_url
from fairlead.apiserver.model import Forward, Upgrade
from fairlead.apiserver.pages import COOKIE_PREFIX, KEY_HEADER
from fairlead.apiserver.requestinfo import origin_form
from fairlead.apiserver.serialization.errors import error_response
from fairlead.apiserver.serialization.subprotocols import HEADER, wants_upgrade, without_token
from fairlead.base.numbers import integer, natural
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.tunnel import hijack, join
from fairlead.runtime.writers import send

_CONNECT_S = 10.0
_SWITCH_S = 30.0
_MAX_PAGE = 8 << 20
"""Largest HTML page (bytes) whose links are rewritten; a larger one passes unchanged, because rewriting needs the
whole page in memory."""
_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        *("proxy-authenticate", "proxy-authorization", "proxy-connection"),
    }
)
_NOT_FORWARDED = frozenset({"authorization", "expect", KEY_HEADER})
"""The client's credentials, which the backend must not see, and `Expect`, which this server answers. `Impersonate-*`
and the cookies of the page's sessions are not forwarded either."""
_AUTOMATIC = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)


class Forwarder:
    """Forwards requests to backends and upgrades connections to nodes."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet
        self._session: aiohttp.ClientSession | None = None
        self._extensions: aiohttp.ClientSession | None = None
        """Keeps connections: their certificates say that they lead to the right server."""

    async def forward(self, request: web.BaseRequest, to: Forward, start: int) -> web.StreamResponse:
        """Forwards the request; `start` is the index in `path.split("/")` at which the backend's path begins. An
        extension server gets the whole path."""
        start = start if to.tls is None else 1
        path, mark, query = origin_form(request.raw_path).partition("?")
        parts = path.split("/")
        if len(parts) <= start and request.method in ("GET", "HEAD") and not wants_upgrade(request.headers):
            return web.Response(status=301, headers={hdrs.LOCATION: f"{path}/{mark}{query}"})
        prefix, own = "/".join(parts[:start]), "/" + "/".join(parts[start:])
        try:
            if wants_upgrade(request.headers):
                return await self._switch(request, to, f"{own}{mark}{query}", _headers(request, path, to))
            return await self._pass_on(request, to, f"{own}{mark}{query}", prefix)
        except StatusError as e:
            answer = error_response(e)
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def upgrade(self, request: web.BaseRequest, upgrade: Upgrade) -> web.StreamResponse:
        """Hands the client's connection over to a node, which answers from the first byte."""
        try:
            headers = _headers(request, origin_form(request.raw_path).partition("?")[0], upgrade.to)
            return await self._switch(request, upgrade.to, upgrade.path, headers)
        except StatusError as e:
            answer = error_response(e)
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def close(self) -> None:
        for session in (self._session, self._extensions):
            if session is not None:
                await session.close()

    async def _pass_on(self, request: web.BaseRequest, to: Forward, path: str, prefix: str) -> web.StreamResponse:
        await continue_if_expected(request)
        try:
            answer = await self._client(to).request(
                request.method,
                URL(f"{to.scheme}://{to.authority}{path}", encoded=True),
                headers=_headers(request, origin_form(request.raw_path).partition("?")[0], to),
                data=request.content if request.body_exists else None,
                allow_redirects=False,
                skip_auto_headers=_AUTOMATIC,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                ssl=to.tls or True,
                server_hostname=to.server_name,
            )
        except (aiohttp.ClientError, OSError) as e:
            raise _unreachable(to, e) from e
        async with answer:
            return await _send_back(request, answer, prefix, to)

    def _client(self, to: Forward) -> aiohttp.ClientSession:
        if to.is_node:
            return self._kubelet.session()
        if to.tls is not None:
            if self._extensions is None:
                self._extensions = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=False,
                )
            return self._extensions
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=False, limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def _switch(
        self, request: web.BaseRequest, to: Forward, path: str, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        headers[hdrs.CONNECTION], headers[hdrs.UPGRADE] = "Upgrade", request.headers[hdrs.UPGRADE]
        lines = [f"{request.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(
                    to.host, to.port, ssl=self._tls(to), server_hostname=to.server_name
                )
        except (OSError, TimeoutError) as e:
            raise _unreachable(to, e) from e
        try:
            await send(writer, "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))
            async with asyncio.timeout(_SWITCH_S):
                status, reason, back = await _read_head(reader)
            if status != HTTPStatus.SWITCHING_PROTOCOLS:
                return await _read_refusal(reader, status, reason, back)
            response, connection = await hijack(request, back, reason=reason)
            await join(connection, reader, writer)
            return response
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as e:
            raise unavailable(f"error trying to reach service: {e or type(e).__name__}") from e
        finally:
            writer.close()

    def _tls(self, to: Forward) -> ssl.SSLContext | None:
        if to.is_node:
            return self._kubelet.tls
        if to.tls is not None:
            return to.tls
        if to.scheme != "https":
            return None
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


async def continue_if_expected(request: web.BaseRequest) -> None:
    """Sends `100 Continue` to a client that waits for it before it sends its body."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the interim response does not count


def _headers(request: web.BaseRequest, path: str, to: Forward) -> CIMultiDict[str]:
    """Returns the client's headers without hop-by-hop ones, plus `X-Forwarded-*`, or with those of an extension
    server."""
    dropped = (
        _HOP_BY_HOP | _NOT_FORWARDED | {t.strip() for t in request.headers.get(hdrs.CONNECTION, "").lower().split(",")}
    )
    headers = CIMultiDict(
        (name, value)
        for name, value in request.headers.items()
        if name.lower() not in dropped and not name.lower().startswith("impersonate-")
    )
    cookies = [part.strip() for line in headers.popall(hdrs.COOKIE, []) for part in line.split(";")]
    if others := [cookie for cookie in cookies if cookie and not cookie.startswith(COOKIE_PREFIX)]:
        headers[hdrs.COOKIE] = "; ".join(others)
    protocols = ", ".join(headers.popall(HEADER, []))
    if kept := without_token(protocols):
        headers[HEADER] = ", ".join(kept)
    before = ", ".join(headers.popall(hdrs.X_FORWARDED_FOR, []))
    client = request.remote or ""
    if before or client:
        headers[hdrs.X_FORWARDED_FOR] = ", ".join(filter(None, (before, client)))
    headers["X-Forwarded-Uri"] = path
    if to.tls is not None:
        for name in [name for name in headers if name.lower().startswith("x-remote-")]:
            headers.popall(name, None)
        headers[hdrs.HOST] = to.authority
        headers.extend(to.headers)
    return headers


async def _send_back(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, prefix: str, to: Forward
) -> web.StreamResponse:
    hosts = (to.authority, to.host, request.host)
    change = partial(rewrite_url, prefix=prefix, hosts=hosts)
    headers = _answer_headers(answer.headers)
    if hdrs.LOCATION in headers:
        headers[hdrs.LOCATION] = change(headers[hdrs.LOCATION])
    first = b""
    if answer.content_type == "text/html" and request.method != "HEAD" and hdrs.LOCATION not in headers:
        first = await _read_page(answer)
        page = _decompress(first, answer.headers.get(hdrs.CONTENT_ENCODING, "")) if answer.content.at_eof() else None
        if page is not None:
            headers.popall(hdrs.CONTENT_LENGTH, None)
            headers.popall(hdrs.CONTENT_ENCODING, None)
            body = rewrite_html(page, change)
            return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    try:
        await response.prepare(request)
        if first:
            await response.write(first)
        while chunk := await answer.content.readany():
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        pass  # the client went away
    except (aiohttp.ClientError, TimeoutError):
        # Part of the response is already sent: only a closed connection shows the client that it is incomplete.
        if request.transport is not None:
            request.transport.abort()
    return response


async def _read_page(answer: aiohttp.ClientResponse) -> bytes:
    """Returns the whole page, or more than `_MAX_PAGE` bytes of it. Raises StatusError 503."""
    page = bytearray()
    try:
        while len(page) <= _MAX_PAGE and (chunk := await answer.content.readany()):
            page += chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as e:
        raise unavailable(f"error trying to reach service: {e or type(e).__name__}") from e
    return bytes(page)


def _answer_headers(received: CIMultiDict[str] | object) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict(received)  # type: ignore[arg-type]
    dropped = _HOP_BY_HOP | {t.strip() for t in headers.get(hdrs.CONNECTION, "").lower().split(",")}
    for name in [name for name in headers if name.lower() in dropped or name.lower().startswith("access-control-")]:
        headers.popall(name, None)
    return headers


def _decompress(page: bytes, coding: str) -> bytes | None:
    """Returns the decompressed page; None if the coding is unknown or the result is larger than `_MAX_PAGE`."""
    if coding.lower() in ("", "identity"):
        return page
    if coding.lower() != "gzip":
        return None
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = inflate.decompress(page, _MAX_PAGE)
    except zlib.error:
        return None
    return plain if inflate.eof else None


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, str, CIMultiDict[str]]:
    """Returns status, reason and headers. Raises ValueError for malformed HTTP."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "surrogateescape")
    first, *lines = head.split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("malformed HTTP response")
    status, _, reason = rest.partition(" ")
    headers: CIMultiDict[str] = CIMultiDict()
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        headers.add(name.strip(), value.strip())
    return integer(status), reason, headers


async def _read_refusal(
    reader: asyncio.StreamReader, status: int, reason: str, headers: CIMultiDict[str]
) -> web.StreamResponse:
    """Returns the backend's refusal to switch protocols; a long body is cut."""
    length = headers.get(hdrs.CONTENT_LENGTH, "")
    chunked = "chunked" in headers.get(hdrs.TRANSFER_ENCODING, "").lower()
    body = b""
    if (size := natural(length)) is not None:
        body = await reader.readexactly(min(size, _MAX_PAGE))
    elif not chunked:
        body = await reader.read(_MAX_PAGE)
    headers = _answer_headers(headers)
    headers.popall(hdrs.CONTENT_LENGTH, None)
    return web.Response(status=status, reason=reason, headers=headers, body=body)


def _unreachable(to: Forward, error: Exception) -> StatusError:
    text = f"dial tcp {to.authority}: {_why(error)}"
    if to.is_node:
        return StatusError(500, "InternalError", f"error dialing backend: {text}")
    return unavailable(f"error trying to reach service: {text}")


def _why(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ConnectionRefusedError):
        return "connect: connection refused"
    return (cause.strerror if isinstance(cause, OSError) else "") or str(cause) or "i/o timeout"
