"""One `kubectl attach`: what a container says from now on, and its input, carried over a WebSocket.

The messages are those of exec (`node/execsession.py`). The last one is a Status of success whatever the container's
exit code was, as upstream: `kubectl run` would take anything else for a failed attach and show the whole log again; it
asks the Pod for the code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from fairlead.node.attached import DROPPED, HEAD
from fairlead.node.execsession import (
    CLOSE,
    END_OF_INPUT,
    LINGER_S,
    SIZE,
    STATUS,
    STDERR,
    STDIN,
    STDOUT,
    internal,
    parse_size,
    success,
)
from fairlead.node.fdio import read_some, write_all
from fairlead.node.launch import resize
from fairlead.node.zygoteclient import Attachment, ZygoteClient, ZygoteError


@dataclass(frozen=True, slots=True)
class AttachRequest:
    container_id: str
    stdin: bool
    stdout: bool
    stderr: bool


def frames(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Takes whole frames off the buffer's start."""
    while len(buffer) >= HEAD.size:
        channel, length = HEAD.unpack_from(buffer)
        end = HEAD.size + length
        if len(buffer) < end:
            return
        data = bytes(memoryview(buffer)[HEAD.size : end])
        del buffer[:end]
        yield channel, data


class AttachSession:
    """Carries one attachment, which it closes, to the container's end or the peer's."""

    def __init__(self, ws: web.WebSocketResponse, zygote: ZygoteClient, attachment: Attachment) -> None:
        self._ws = ws
        self._zygote = zygote
        self._attachment = attachment
        self._input = attachment.input

    async def run(self, request: AttachRequest) -> None:
        wanted = [channel for channel, asked in ((STDOUT, request.stdout), (STDERR, request.stderr)) if asked]
        try:
            async with asyncio.TaskGroup() as group:
                incoming = group.create_task(self._take(request.container_id))
                outgoing = group.create_task(self._send(wanted))
                await asyncio.wait((incoming, outgoing), return_when=asyncio.FIRST_COMPLETED)
                if not outgoing.done():
                    await asyncio.wait((outgoing,), timeout=LINGER_S)
                await self._tell(outgoing.result() if outgoing.done() else success())
                for task in (incoming, outgoing):
                    task.cancel()
        finally:
            self.close()

    def close(self) -> None:
        self._close_input()
        os.close(self._attachment.output)

    async def _send(self, wanted: list[int]) -> dict[str, Any]:
        """Until the container's end or the peer's; how it ended."""
        buffer = bytearray()
        with contextlib.suppress(ConnectionError):  # the peer has gone; `_take` sees that too
            while data := await read_some(self._attachment.output):
                buffer += data
                for channel, said in frames(buffer):
                    if channel == DROPPED:
                        return internal("the client is too slow for what the container says")
                    if channel in wanted:
                        await self._ws.send_bytes(bytes([channel]) + said)
        return success()

    async def _take(self, container_id: str) -> None:
        """What the peer sends, until it goes or there is nothing to be shown after its input's end."""
        async for message in self._ws:
            if message.type != WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == STDIN and data:
                await self._feed(data)
            elif channel == CLOSE and data[:1] == bytes([STDIN]) and self._attachment.stdin:
                if not await self._end_input(container_id):
                    return
            elif channel == SIZE and self._attachment.tty:
                self._resize(data)

    async def _feed(self, data: bytes) -> None:
        if self._attachment.stdin and self._input >= 0:
            with contextlib.suppress(OSError):  # the program does not read any more
                await write_all(self._input, data)

    async def _end_input(self, container_id: str) -> bool:
        """False where the session ends with its input, because the container's own input goes on."""
        if self._attachment.once and self._attachment.tty:
            await self._feed(END_OF_INPUT)
        elif self._attachment.once:
            self._close_input()
            with contextlib.suppress(ZygoteError):  # the container has ended
                await self._zygote.end_input(container_id)
        return self._attachment.once

    def _close_input(self) -> None:
        if self._input >= 0:
            os.close(self._input)
            self._input = -1

    def _resize(self, data: bytes) -> None:
        size = parse_size(data)
        if size is not None and self._input >= 0:
            with contextlib.suppress(OSError):  # the program has ended
                resize(self._input, *size)

    async def _tell(self, status: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):
            await self._ws.send_bytes(bytes([STATUS]) + json.dumps(status).encode())
            await self._ws.close()
