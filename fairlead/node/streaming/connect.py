"""Upgrades a request to a client's streams, and enforces the connection's limits.

What must stay true: a connection without traffic for `idle_s` is closed, whatever either side waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from aiohttp import WSMsgType, web

from fairlead.base.dataclass import dataclass
from fairlead.base.numbers import port_number
from fairlead.node.streaming.channels import COMMAND_PROTOCOLS, MAX_MESSAGE, PORT_PROTOCOLS, ChannelProtocol
from fairlead.node.streaming.handshake import (
    HandshakeError,
    choose_subprotocol,
    choose_version,
    is_websocket,
    switch_headers,
)
from fairlead.node.streaming.peers import Peer, SpdyPeer, WebSocketPeer
from fairlead.node.streaming.portforward import MAX_PORTS, ChannelForwarding, Dial, SpdyForwarding
from fairlead.node.streaming.remotecommand import VERSIONS, SpdyCommand, StreamOptions
from fairlead.runtime.tunnel import hijack

_BY_NAME = {version.name: version for version in VERSIONS}
_PORT_VERSION = "portforward.k8s.io"
_TUNNEL = ChannelProtocol(f"SPDY/3.1+{_PORT_VERSION}")


async def serve_command(
    request: web.BaseRequest, options: StreamOptions, work: Callable[[Peer], Awaitable[None]], *, idle_s: float
) -> web.StreamResponse:
    """Runs `work` with the client's streams, then closes the connection. Raises web.HTTPException."""
    response, peer = await _connect(request, options)

    async def run(moved: Callable[[], None]) -> None:
        peer.follow_traffic(moved)
        if await peer.open():
            await work(peer)
            await peer.close()

    await _bounded(request, run, idle_s)
    return response


def extend(limit: asyncio.Timeout, idle_s: float) -> None:
    """Restarts the idle time after traffic."""
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time() + idle_s)


async def _connect(request: web.BaseRequest, options: StreamOptions) -> tuple[web.StreamResponse, Peer]:
    try:
        if is_websocket(request.headers):
            protocol = choose_subprotocol(request.headers, COMMAND_PROTOCOLS)
            ws = await open_websocket(request, protocol)
            return ws, WebSocketPeer(ws, protocol, options)
        version = choose_version(request.headers, _BY_NAME)
    except HandshakeError as error:
        raise refusal(error) from error
    response, connection = await hijack(request, switch_headers(version.name))
    return response, SpdyPeer(connection, SpdyCommand(version, options))


async def open_websocket(request: web.BaseRequest, protocol: ChannelProtocol) -> web.WebSocketResponse:
    """Raises web.HTTPBadRequest if the client breaks the WebSocket handshake."""
    names = (protocol.name,) if protocol.name else ()
    ws = web.WebSocketResponse(protocols=names, compress=False, max_msg_size=MAX_MESSAGE)
    await ws.prepare(request)
    return ws


def refusal(error: HandshakeError) -> web.HTTPException:
    kind = web.HTTPForbidden if error.status == 403 else web.HTTPBadRequest
    return kind(text=error.text, headers=error.headers)


@dataclass(frozen=True, slots=True)
class PortTarget:
    """The Pod whose ports are forwarded, with its name as failures show it."""

    pod: str
    uid: str
    dial: Dial


async def serve_ports(request: web.BaseRequest, target: PortTarget, *, idle_s: float) -> web.StreamResponse:
    """Forwards connections until the client hangs up. Raises web.HTTPException."""
    try:
        if is_websocket(request.headers):
            protocol = choose_subprotocol(request.headers, (_TUNNEL, *PORT_PROTOCOLS))
            ports = [] if protocol is _TUNNEL else _ports(request)
            return await _ports_over_websocket(request, target, protocol, ports, idle_s)
        choose_version(request.headers, {_PORT_VERSION: None})
    except HandshakeError as error:
        raise refusal(error) from error
    response, connection = await hijack(request, switch_headers(_PORT_VERSION))
    await _bounded(request, SpdyForwarding(connection, target.dial, pod=target.pod, uid=target.uid).run, idle_s)
    return response


async def _ports_over_websocket(
    request: web.BaseRequest, target: PortTarget, protocol: ChannelProtocol, ports: Sequence[int], idle_s: float
) -> web.StreamResponse:
    ws = await open_websocket(request, protocol)
    pipe = _OverWebSocket(ws, text=protocol.base64)

    async def work(moved: Callable[[], None]) -> None:
        if protocol is _TUNNEL:
            await SpdyForwarding(pipe, target.dial, pod=target.pod, uid=target.uid).run(moved)
        else:
            channels = ChannelForwarding(pipe, target.dial, protocol, pod=target.pod, uid=target.uid)
            await channels.run(ports, moved)
        await ws.close()

    await _bounded(request, work, idle_s)
    return ws


async def _bounded(
    request: web.BaseRequest, work: Callable[[Callable[[], None]], Awaitable[None]], idle_s: float
) -> None:
    try:
        async with asyncio.timeout(idle_s) as limit:
            await work(lambda: extend(limit, idle_s))
            await _flush(request)
    except* (TimeoutError, ConnectionError):
        # The client is gone, or might as well be. A transport that is only closed waits until it has read the rest.
        if request.transport is not None:
            request.transport.abort()
    finally:
        if request.transport is not None:
            request.transport.close()


async def _flush(request: web.BaseRequest) -> None:
    """Waits until all written data is on its way."""
    transport = cast("asyncio.WriteTransport | None", request.transport)
    if transport is not None and not transport.is_closing():
        transport.set_write_buffer_limits(high=0)
        await request.writer.drain()


def _ports(request: web.BaseRequest) -> list[int]:
    given = request.query.getall("ports", [])
    if not given:
        raise HandshakeError(400, 'query parameter "ports" is required')
    texts = [text for value in given for text in value.split(",")]
    ports = [port for text in texts if (port := port_number(text)) is not None]
    if len(ports) < len(texts):
        raise HandshakeError(400, f'unable to parse "{",".join(given)}" as a port')
    if len(texts) > MAX_PORTS:
        raise HandshakeError(400, f"at most {MAX_PORTS} ports in one connection")
    return ports


class _OverWebSocket:
    """Implements `Pipe`: one message for each piece."""

    def __init__(self, ws: web.WebSocketResponse, *, text: bool) -> None:
        self._ws = ws
        self._text = text

    async def read(self) -> bytes:
        while True:
            message = await self._ws.receive()
            if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                if message.data:
                    return message.data.encode() if isinstance(message.data, str) else bytes(message.data)
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return b""

    async def write(self, data: bytes) -> None:
        await (self._ws.send_str(data.decode()) if self._text else self._ws.send_bytes(data))

    async def close(self) -> None:
        await self._ws.close()
