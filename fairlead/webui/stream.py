"""The WebSocket at `/ui/stream`: any number of subscriptions of one page over one connection.

The page sends `{"open": ID, "topic": NAME, "namespace": NS}` and `{"close": ID}`; messages to the page have the `id` of
their subscription. An error ends a subscription, not the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from fairlead.apiserver.model import User
from fairlead.apiserver.pages import Backend
from fairlead.apiserver.serialization.subprotocols import HEADER, without_token
from fairlead.base.tasks import Nursery, stop
from fairlead.machinery.values.names import path_segment
from fairlead.machinery.values.status import StatusError
from fairlead.webui.following import Message, follow
from fairlead.webui.measuring import latencies, traffic
from fairlead.webui.summaries import TOPICS

PROTOCOL = "v1.ui.fairlead"
_MOST = 64
"""Largest number of subscriptions of a connection."""
_MAX_MESSAGE = 4096
_CHECK_S = 10.0
"""A connection ends at most so long after its session."""
_MEASURED: Mapping[str, Callable[[Backend, User, str], AsyncIterator[Message]]] = {
    "traffic": traffic,
    "latency": latencies,
}


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    """A message of the page."""

    open: int = 0
    topic: str = ""
    namespace: str = ""
    close: int = 0


async def serve_stream(
    request: web.BaseRequest, backend: Backend, user: User, *, alive: Callable[[], bool]
) -> web.StreamResponse:
    """Serves a page until it disconnects or its session ends. Raises StatusError 400 for a bad handshake."""
    offered = without_token(request.headers.get(HEADER, ""))
    socket = web.WebSocketResponse(
        protocols=(PROTOCOL,) if PROTOCOL in offered else (), compress=False, max_msg_size=_MAX_MESSAGE, heartbeat=30.0
    )
    try:
        await socket.prepare(request)
    except web.HTTPBadRequest as error:
        raise StatusError(400, "BadRequest", error.text or "malformed WebSocket handshake") from error
    async with Nursery() as nursery:
        page = _Page(socket, backend, user, nursery)
        works = (nursery.spawn(page.receive()), nursery.spawn(_until_dead(alive)))
        await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
    await socket.close()
    return socket


async def _until_dead(alive: Callable[[], bool]) -> None:
    while alive():  # noqa: ASYNC110 -- a session ends by its time, too, of which no event tells
        await asyncio.sleep(_CHECK_S)


class _Page:
    """One connection and its subscriptions."""

    def __init__(self, socket: web.WebSocketResponse, backend: Backend, user: User, nursery: Nursery) -> None:
        self._socket = socket
        self._backend = backend
        self._user = user
        self._nursery = nursery
        self._tasks: dict[int, asyncio.Task[Any]] = {}

    async def receive(self) -> None:
        """Carries out the page's messages until it disconnects."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                return
            try:
                order = msgspec.json.decode(message.data, type=_Order)
            except msgspec.MsgspecError:
                return
            if order.close and (task := self._tasks.pop(order.close, None)):
                await stop(task)
            elif order.open and order.open not in self._tasks and len(self._tasks) < _MOST:
                self._tasks[order.open] = self._nursery.spawn(self._serve(order))

    async def _serve(self, order: _Order) -> None:
        try:
            async for message in self._messages(order):
                await self._send({"id": order.open, **message})
        except StatusError as error:
            await self._send({"id": order.open, "error": error.message, "code": error.code})
        except ConnectionError:
            pass  # the page disconnected, or the server stops

    def _messages(self, order: _Order) -> AsyncIterator[Message]:
        """Raises StatusError 400."""
        if order.namespace and (problem := path_segment(order.namespace)):
            raise StatusError(400, "BadRequest", f"invalid namespace {order.namespace!r}: {problem}")
        if (measure := _MEASURED.get(order.topic)) is not None:
            return measure(self._backend, self._user, order.namespace)
        if (topic := TOPICS.get(order.topic)) is not None:
            return follow(self._backend.transport(self._user), topic, topic.path(order.topic, order.namespace))
        raise StatusError(400, "BadRequest", f"unknown topic {order.topic!r}")

    async def _send(self, message: Message) -> None:
        await self._socket.send_str(msgspec.json.encode(message).decode())
