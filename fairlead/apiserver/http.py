"""The TLS edge: aiohttp's low-level server around the core.

No application, router or middleware: a request goes straight to `Core.handle`. The client certificate names the user
and is read once for each connection. `streaming` sends responses without an end.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import cast
from urllib.parse import unquote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from fairlead.apiserver.auth.authentication import AuthenticatorChain, Credentials, user_of_certificate
from fairlead.apiserver.connect.forward import Forwarder, continue_if_expected
from fairlead.apiserver.connect.kubelet import Kubelet
from fairlead.apiserver.core import Core
from fairlead.apiserver.model import ANONYMOUS, Forward, Upgrade, User
from fairlead.apiserver.pages import is_page
from fairlead.apiserver.requestinfo import origin_form, request_info
from fairlead.apiserver.serialization.body import MAX_BODY, too_large
from fairlead.apiserver.serialization.errors import error_response
from fairlead.apiserver.serialization.printing import format_response
from fairlead.apiserver.serialization.subprotocols import wants_websocket
from fairlead.apiserver.streaming import Pace, send_stream
from fairlead.apiserver.websocket import send_websocket
from fairlead.machinery.values.status import StatusError, bad_request
from fairlead.runtime.client import Request, Response
from fairlead.runtime.serving import Handler, HttpServer

_SHUTDOWN_S = 0.5
_BODY_S = 60.0
"""Seconds for the whole body: upstream's limit for a request that is not long-running."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class _Connection(Handler):
    """One client connection, and the user that its certificate names."""

    __slots__ = ("user",)

    user: User | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.user = user_of_certificate(transport.get_extra_info("peercert"))
        if self.user is not None:
            self.authenticated(self.user.name)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers malformed HTTP with a Status and does not log it."""
        if status == 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        reason = "BadRequest" if status == 400 else ""
        text = " ".join((message or "the request is no HTTP that this server understands").split())
        response = _response(error_response(StatusError(status, reason, text)))
        response.force_close()
        return response


class HttpEdge:
    """Serves HTTP on listening sockets, with or without TLS."""

    def __init__(
        self,
        core: Core,
        authenticators: AuthenticatorChain,
        kubelet: Kubelet,
        *,
        answer_page: Callable[[web.BaseRequest, User], Awaitable[web.StreamResponse]] | None,
    ) -> None:
        """`answer_page` answers requests of browsers for the site beside the API."""
        self._core = core
        self._answer_page = answer_page
        self._authenticators = authenticators
        self._kubelet = kubelet
        self._forwarder = Forwarder(kubelet)
        self._pace = Pace()
        self._server: HttpServer | None = None

    async def start(self, socks: Sequence[socket.socket], context: ssl.SSLContext | None) -> None:
        """Serves on sockets that already listen; returns as soon as it serves."""
        if context is not None:
            context.set_alpn_protocols(["http/1.1"])
        manager = web.Server(self._answer, request_factory=_make_request, handler_cancellation=True)
        self._server = HttpServer(manager, tls=context, handler=_Connection)
        await self._server.start(socks)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(_SHUTDOWN_S)
        await self._forwarder.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = origin_form(request.raw_path).partition("?")
        asked = Request(
            request.method,
            unquote(path) if "%" in path else path,
            cast("Mapping[str, str]", request.query) if query else {},
            cast("Mapping[str, str]", request.headers),
        )
        connection = cast(_Connection, request.protocol)
        user = connection.user if self._authenticators.certificate_first else None
        if user is None:
            try:
                user = await self._authenticators.authenticate(Credentials(connection.user, asked.headers))
            except StatusError as e:
                self._core.metrics.count_authentication("failure")
                return _response(format_response(error_response(e), asked))
            if user is not ANONYMOUS and connection.user is None:
                connection.authenticated(user.name)
        if user is not ANONYMOUS:
            self._core.metrics.count_authentication("success")
        if self._answer_page is not None and is_page(asked.path):
            return await self._answer_page(request, user)
        info = request_info(asked.method, asked.path, asked.query)
        has_body = request.body_exists and request.method in _WITH_BODY and not info.proxied_from
        source = (request.remote or "") if self._core.auditor is not None else ""
        read = partial(_read, request) if has_body else None
        outcome = await self._core.handle(asked, info, user, read=read, source=source)
        if isinstance(outcome, Response):
            return _response(format_response(outcome, asked))
        ended, status = self._core.streaming(info, outcome), 200
        try:
            if isinstance(outcome, Upgrade):
                response = await self._forwarder.upgrade(request, outcome)
            elif isinstance(outcome, Forward):
                response = await self._forwarder.forward(request, outcome, info.proxied_from)
            else:
                send = send_websocket if wants_websocket(asked.headers) else send_stream
                response = await send(request, outcome, self._pace)
            status = response.status
            return response
        finally:
            ended(status)


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)


async def _read(request: web.BaseRequest) -> bytes:
    """Reads the body. Raises StatusError 400, 413, 504."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise bad_request(f"unsupported Content-Encoding {coding!r}: send the body without compression")
    if (request.content_length or 0) > MAX_BODY:
        raise too_large()
    await continue_if_expected(request)
    try:
        if request.content.is_eof():  # no wait, and so no timer
            return await request.read()
        async with asyncio.timeout(_BODY_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as e:
        raise too_large() from e
    except web.RequestPayloadError as e:
        raise bad_request("malformed request body: the framing does not match the headers") from e
    except TimeoutError as e:
        raise StatusError(504, "Timeout", f"the request's body did not arrive within {_BODY_S:.0f} s") from e


def _response(response: Response) -> web.Response:
    return web.Response(status=response.status, body=response.body, headers=response.headers)
