"""Watches and Pod logs over WebSocket: one message for each event, or for each piece of a log.

Messages of the client are ignored; when it closes the connection, the stream ends. Events are text messages, because
they are JSON. A log begins with an empty message, which tells the client that the connection is established.
"""

from __future__ import annotations

import asyncio
import base64

from aiohttp import WSMsgType, web

from fairlead.apiserver.model import Stream
from fairlead.apiserver.serialization.errors import error_response
from fairlead.apiserver.serialization.subprotocols import HEADER, LOG_PROTOCOLS, choose_log_protocol, without_token
from fairlead.apiserver.streaming import Pace
from fairlead.apiserver.watchcache.watch import WatchStream
from fairlead.base.tasks import Nursery
from fairlead.machinery.values.status import StatusError, bad_request

_MAX_MESSAGE = 64 << 10
"""Largest message of a client in bytes; its content is ignored."""
_GONE = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})


async def send_websocket(request: web.BaseRequest, stream: Stream, pace: Pace) -> web.StreamResponse:
    """Sends a stream over WebSocket until it ends or the client disconnects; answers a bad handshake with a Status."""
    try:
        ws = await _open(request, stream)
        async with Nursery() as both:
            sending = both.spawn(_send(ws, stream, pace))
            await asyncio.wait((sending, both.spawn(_until_gone(ws))), return_when=asyncio.FIRST_COMPLETED)
        await ws.close()
    except StatusError as error:
        answer = error_response(error)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
    finally:
        stream.close()
    return ws


async def _open(request: web.BaseRequest, stream: Stream) -> web.WebSocketResponse:
    header = request.headers.get(HEADER, "")
    if isinstance(stream, WatchStream):
        name = next(iter(without_token(header)), "")
        if request.transport is not None:
            stream.on_overflow = request.transport.abort
    else:
        name = choose_log_protocol(header)
    ws = web.WebSocketResponse(protocols=(name,) if name else (), compress=False, max_msg_size=_MAX_MESSAGE)
    try:
        await ws.prepare(request)
    except web.HTTPBadRequest as error:
        raise bad_request(error.text or "malformed WebSocket handshake") from error
    return ws


async def _send(ws: web.WebSocketResponse, stream: Stream, pace: Pace) -> None:
    encoded = LOG_PROTOCOLS.get(ws.ws_protocol or "", False)
    is_watch = isinstance(stream, WatchStream)
    try:
        if not is_watch:
            await _send_piece(ws, b"", encoded=encoded)
        while pieces := await stream.next():
            for piece in pieces:
                if is_watch:
                    await ws.send_str(piece.decode())
                else:
                    await _send_piece(ws, piece, encoded=encoded)
            await pace.pause(len(pieces))
    except ConnectionError:
        return  # the client disconnected


async def _send_piece(ws: web.WebSocketResponse, piece: bytes, *, encoded: bool) -> None:
    if encoded:
        await ws.send_str(base64.b64encode(piece).decode())
    else:
        await ws.send_bytes(piece)


async def _until_gone(ws: web.WebSocketResponse) -> None:
    while (await ws.receive()).type not in _GONE:
        pass
