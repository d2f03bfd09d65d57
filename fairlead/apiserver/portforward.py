"""`kubectl port-forward`: connections to a Pod's ports, many in one SPDY session.

The session comes inside a WebSocket (`SPDY/3.1+portforward.k8s.io`, kubectl 1.31 and later) or bare after an upgrade
(before that). Each connection is two streams with one `requestid`: `data`, and `error`, on which is said why a port
could not be reached. Client libraries speak plainer: `v4.channel.k8s.io`, one connection for each port of the query.
The Pod is dialled at its own address, so what listens on its loopback alone is not reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import WSMsgType, hdrs, web

from fairlead.apiserver.model import PortForward
from fairlead.apiserver.spdy import MAX_FRAME, Channels, Data, Ended, Event, Opened, Ping, ProtocolError, Session
from fairlead.apiserver.tunnel import take_over
from fairlead.base.numbers import port_number
from fairlead.base.tasks import Nursery
from fairlead.machinery.status import bad_request

_NAME = "portforward.k8s.io"
_OVER_WEBSOCKET = f"SPDY/3.1+{_NAME}"
_PLAIN = "v4.channel.k8s.io"
_MAX_CHANNELS = 100
_CHUNK = 32 << 10
_WAITING = 16
"""Pieces that a connection which is still being made, or is slow, may hold back before all wait for it."""
_MAX_STREAMS = 1000
_CONNECT_S = 10.0


class Pipe(Protocol):
    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...

    async def close(self) -> None: ...


async def serve_port_forward(request: web.BaseRequest, to: PortForward) -> web.StreamResponse:
    """Raises StatusError 400 where the client does not speak as we do."""
    wanted = request.headers.get(hdrs.UPGRADE, "").lower()
    if wanted == "websocket":
        offered = [p.strip() for p in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
        protocol = next((p for p in (_OVER_WEBSOCKET, _PLAIN) if p in offered), "")
        if not protocol:
            known = [_OVER_WEBSOCKET, _PLAIN]
            raise bad_request(f"unable to upgrade: client supports {offered}, server supports {known}")
        ports = _ports(request) if protocol == _PLAIN else []
        ws = web.WebSocketResponse(protocols=(protocol,), compress=False, max_msg_size=MAX_FRAME)
        await ws.prepare(request)
        if protocol == _PLAIN:
            await _Forwarding(_OverWebSocket(ws), to, Channels()).run(ports)
        else:
            await _Forwarding(_OverWebSocket(ws), to, Session()).run()
        await ws.close()
        return ws
    if wanted == "spdy/3.1":
        headers = {hdrs.CONNECTION: "Upgrade", hdrs.UPGRADE: "SPDY/3.1", "X-Stream-Protocol-Version": _NAME}
        response, connection = await take_over(request, headers)
        await _Forwarding(connection, to, Session()).run()
        return response
    raise bad_request("Upgrade request required")


def _ports(request: web.BaseRequest) -> list[int]:
    found = [text for given in request.query.getall("ports", []) for text in given.split(",")]
    ports = [port for text in found if (port := port_number(text)) is not None]
    if not found or len(ports) < len(found):
        raise bad_request(f"query parameter `ports` must name ports, not {found}")
    if len(found) > _MAX_CHANNELS:
        raise bad_request(f"at most {_MAX_CHANNELS} ports in one connection")
    return ports


class _OverWebSocket:
    def __init__(self, ws: web.WebSocketResponse) -> None:
        self._ws = ws

    async def read(self) -> bytes:
        while True:
            message = await self._ws.receive()
            if message.type is WSMsgType.BINARY:
                if message.data:
                    return bytes(message.data)
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return b""

    async def write(self, data: bytes) -> None:
        await self._ws.send_bytes(data)

    async def close(self) -> None:
        await self._ws.close()


@dataclass(slots=True)
class _Connection:
    """One connection to a port: its data stream, and what has come on it; an empty piece is the end."""

    stream: int
    error_stream: int
    port: str
    waiting: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(_WAITING))


class _Forwarding:
    def __init__(self, pipe: Pipe, to: PortForward, session: Session | Channels) -> None:
        self._pipe = pipe
        self._to = to
        self._session = session
        self._errors: dict[str, int] = {}
        self._connections: dict[int, _Connection] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self, ports: Sequence[int] = ()) -> None:
        """Until the client hangs up, or all connections to these ports have ended."""
        async with Nursery() as nursery:
            try:
                for at, port in enumerate(ports):
                    connection = _Connection(2 * at, 2 * at + 1, str(port))
                    self._connections[connection.stream] = connection
                    for channel in (connection.stream, connection.error_stream):
                        await self._say(bytes([channel]) + port.to_bytes(2, "little"))
                if ports:
                    nursery.spawn(self._all(list(self._connections.values())))
                while data := await self._pipe.read():
                    for event in self._session.receive(data):
                        await self._on(event, nursery)
            except (ProtocolError, OSError):
                return  # the client is gone, or might as well be

    async def _all(self, connections: Sequence[_Connection]) -> None:
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(self._connect(connection))
        await self._pipe.close()

    async def _say(self, data: bytes) -> None:
        if data:
            await self._pipe.write(data)

    async def _on(self, event: Event, nursery: Nursery) -> None:
        match event:
            case Opened(stream, headers):
                await self._open(stream, headers, nursery)
            case Data(stream, data):
                if (found := self._connections.get(stream)) is not None:
                    await found.waiting.put(data)
            case Ended(stream, reset):
                if reset and (task := self._tasks.get(stream)) is not None:
                    task.cancel()
                elif (found := self._connections.get(stream)) is not None:
                    await found.waiting.put(b"")
            case Ping():
                await self._say(self._session.pong(event))

    async def _open(self, stream: int, headers: Mapping[str, str], nursery: Nursery) -> None:
        kind, number, port = (headers.get(name, "") for name in ("streamtype", "requestid", "port"))
        good = kind in ("data", "error") and port_number(port) is not None
        if not good or len(self._errors) + len(self._connections) >= _MAX_STREAMS:
            await self._say(self._session.reset(stream))
            return
        await self._say(self._session.reply(stream))
        if kind == "error":
            self._errors[number or port] = stream
            return
        connection = _Connection(stream, self._errors.pop(number or port, 0), port)
        self._connections[stream] = connection
        self._tasks[stream] = nursery.spawn(self._connect(connection))

    async def _connect(self, connection: _Connection) -> None:
        try:
            why = await self._copy(connection)
            if why and connection.error_stream:
                text = f"error forwarding port {connection.port} to pod {self._to.pod}, uid {self._to.uid}: {why}"
                await self._say(self._session.data(connection.error_stream, text.encode()))
            for stream in filter(None, (connection.stream, connection.error_stream)):
                await self._say(self._session.data(stream, b"", end=True))
        except OSError:
            return  # the client is gone
        finally:
            self._connections.pop(connection.stream, None)
            self._tasks.pop(connection.stream, None)
            while not connection.waiting.empty():  # lets a client go on that waits to say more
                connection.waiting.get_nowait()

    async def _copy(self, connection: _Connection) -> str:
        """What went wrong, if anything did."""
        address = f"{self._to.host}:{connection.port}"
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(self._to.host, int(connection.port))
        except ConnectionRefusedError:
            return f"dial tcp {address}: connect: connection refused"
        except (OSError, TimeoutError) as e:
            return f"dial tcp {address}: {e or 'i/o timeout'}"
        try:
            async with Nursery() as nursery:
                nursery.spawn(_send(connection.waiting, writer))
                await self._receive(connection.stream, reader)
        except ConnectionResetError as e:
            return str(e)
        finally:
            writer.close()
        return ""

    async def _receive(self, stream: int, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            await self._say(self._session.data(stream, data))


async def _send(waiting: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
    try:
        while data := await waiting.get():
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        return  # the reading side tells
