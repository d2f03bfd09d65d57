"""The client of an exec or attach, whatever protocol it speaks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from fairlead.node.streaming import channels
from fairlead.node.streaming.channels import ChannelClosed, ChannelData, ChannelProtocol, ProtocolError
from fairlead.node.streaming.remotecommand import (
    ERROR,
    RESIZE,
    STDERR,
    STDIN,
    STDOUT,
    Event,
    Input,
    InputEnd,
    SpdyCommand,
    StreamOptions,
    parse_size,
    render_status,
)
from fairlead.runtime.tunnel import Pipe

_STREAMS_S = 30.0
"""Seconds within which a SPDY client must open its streams."""
_GONE = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})


class Peer(Protocol):
    def follow_traffic(self, moved: Callable[[], None]) -> None:
        """Has `moved` called whenever something was received or sent."""
        ...

    async def open(self) -> bool:
        """Waits for the client's streams; False if they do not come."""
        ...

    async def receive(self) -> Event | None:
        """Returns the client's next event; None if the client has closed the connection or broken the protocol."""
        ...

    async def send(self, channel: int, data: bytes) -> None:
        """Sends data on a channel. Raises ConnectionError if the client has closed the connection."""
        ...

    async def end(self, channel: int) -> None:
        """Ends this side of a channel."""
        ...

    async def finish(self, status: Mapping[str, Any]) -> None:
        """Reports how the command ended; the last word."""
        ...

    async def close(self) -> None: ...


def _nothing() -> None:
    pass


class SpdyPeer:
    def __init__(self, pipe: Pipe, command: SpdyCommand) -> None:
        self._pipe = pipe
        self._command = command
        self._events: deque[Event] = deque()
        self._moved: Callable[[], None] = _nothing

    def follow_traffic(self, moved: Callable[[], None]) -> None:
        self._moved = moved

    async def open(self) -> bool:
        try:
            async with asyncio.timeout(_STREAMS_S):
                while not self._command.open:
                    if not await self._read():
                        return False
        except TimeoutError:
            return False
        return True

    async def _read(self) -> bool:
        data = await self._pipe.read()
        if not data:
            return False
        try:
            self._events.extend(self._command.receive(data))
        except ProtocolError:
            return False
        answer = bytes(self._command.outgoing)
        self._command.outgoing.clear()
        await self._write(answer)
        return True

    async def receive(self) -> Event | None:
        while not self._events:
            if not await self._read():
                return None
        return self._events.popleft()

    async def _write(self, data: bytes) -> None:
        if data:
            await self._pipe.write(data)
        self._moved()

    async def send(self, channel: int, data: bytes) -> None:
        await self._write(self._command.data(channel, data))

    async def end(self, channel: int) -> None:
        await self._write(self._command.end(channel))

    async def finish(self, status: Mapping[str, Any]) -> None:
        await self._write(self._command.finish(status))

    async def close(self) -> None:
        await self._pipe.close()


class WebSocketPeer:
    def __init__(self, ws: web.WebSocketResponse, protocol: ChannelProtocol, options: StreamOptions) -> None:
        self._ws = ws
        self._protocol = protocol
        self._options = options
        self._moved: Callable[[], None] = _nothing

    def follow_traffic(self, moved: Callable[[], None]) -> None:
        self._moved = moved

    async def open(self) -> bool:
        """Sends an empty message on the first output, by which clients see that the connection stands."""
        await self.send(STDOUT if self._options.stdout else STDERR if self._options.stderr else ERROR, b"")
        return True

    async def receive(self) -> Event | None:
        while True:
            message = await self._ws.receive()
            self._moved()
            if message.type in _GONE:
                return None
            try:
                event = self._event(message.data.encode() if isinstance(message.data, str) else message.data)
            except ProtocolError:
                return None
            if event is not None:
                return event

    def _event(self, message: bytes) -> Event | None:
        match channels.decode(self._protocol, message):
            case ChannelData(channel, data) if channel == STDIN and data:
                return Input(data)
            case ChannelData(channel, data) if channel == RESIZE:
                return parse_size(data)
            case ChannelClosed(channel) if channel == STDIN:
                return InputEnd()
        return None

    async def send(self, channel: int, data: bytes) -> None:
        message = channels.encode(self._protocol, channel, data)
        await (self._ws.send_str(message) if isinstance(message, str) else self._ws.send_bytes(message))
        self._moved()

    async def end(self, channel: int) -> None:
        pass  # only the client has a signal for that

    async def finish(self, status: Mapping[str, Any]) -> None:
        text = render_status(status, as_json=self._protocol.json_status)
        if text:
            await self.send(ERROR, text)

    async def close(self) -> None:
        await self._ws.close()
