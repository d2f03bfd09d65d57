"""Joins a client's WebSocket with that of a node's kubelet API, byte for byte, until either side ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web
from yarl import URL

from fairlead.apiserver.kubelet import unreachable
from fairlead.apiserver.model import Upgrade
from fairlead.base.tasks import Nursery
from fairlead.machinery.status import StatusError, bad_request

_CLOSED = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})


async def bridge(request: web.BaseRequest, upgrade: Upgrade, session: aiohttp.ClientSession) -> web.StreamResponse:
    """Connects to the node first, so that its refusal is still an ordinary answer. Raises StatusError."""
    offered = [p.strip() for p in request.headers.get("sec-websocket-protocol", "").split(",")]
    protocols = [p for p in upgrade.protocols if p in offered]
    if not protocols:
        raise bad_request(
            f"unable to upgrade: unable to negotiate protocol: client supports {offered}, "
            f"server supports {list(upgrade.protocols)}"
        )
    async with await _connect(upgrade.url, protocols, session) as node:
        chosen = node.protocol or protocols[0]
        client = web.WebSocketResponse(protocols=(chosen,), compress=False, max_msg_size=0, autoping=True)
        await client.prepare(request)
        try:
            async with Nursery() as both:
                # Either end is the end: the node's is that of the command, the client's means that nobody listens.
                pumps = (
                    both.spawn(_pump(client.receive, node.send_bytes)),
                    both.spawn(_pump(node.receive, client.send_bytes)),
                )
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await client.close()
    return client


async def _connect(url: str, protocols: list[str], session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    try:
        return await session.ws_connect(URL(url, encoded=True), protocols=protocols, max_msg_size=0, compress=0)
    except aiohttp.WSServerHandshakeError as e:
        raise StatusError(e.status, "BadRequest" if e.status == 400 else "InternalError", e.message) from e
    except (aiohttp.ClientError, TimeoutError, OSError) as e:
        raise unreachable(url, e) from e


async def _pump(receive: Callable[[], Awaitable[aiohttp.WSMessage]], send: Callable[[bytes], Awaitable[Any]]) -> None:
    try:
        while (message := await receive()).type not in _CLOSED:
            if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                data = message.data
                await send(data.encode() if isinstance(data, str) else data)
    except (ConnectionError, aiohttp.ClientError):
        return  # the other side hung up
