"""A `kubectl attach`: copies a container's output from now on to the client, and the client's input to the container.

The session ends with a Status of success whatever the container's exit code was, as upstream: `kubectl run` would take
anything else for a failed attach and show the whole log again; it asks the Pod for the code.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.node.runtime.agent.fdio import read_some, write_all
from fairlead.node.runtime.agent.zygoteclient import Attachment, ZygoteClient, ZygoteError
from fairlead.node.runtime.child.launch import resize
from fairlead.node.runtime.zygote.attached import DROPPED, HEAD
from fairlead.node.streaming.execsession import END_OF_INPUT, LINGER_S
from fairlead.node.streaming.peers import Peer
from fairlead.node.streaming.remotecommand import (
    STDERR,
    STDOUT,
    Input,
    InputEnd,
    Resize,
    StreamOptions,
    internal,
    success,
)


@dataclass(frozen=True, slots=True)
class AttachRequest:
    container_id: str
    options: StreamOptions


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
    """Carries one attachment, which it closes, to the container's end or the client's."""

    def __init__(self, zygote: ZygoteClient, attachment: Attachment) -> None:
        self._zygote = zygote
        self._attachment = attachment
        self._input = attachment.input
        self._output = attachment.output

    async def serve(self, peer: Peer, request: AttachRequest) -> None:
        options = request.options
        shown = [channel for channel, asked in ((STDOUT, options.stdout), (STDERR, options.stderr)) if asked]
        async with asyncio.TaskGroup() as group:
            incoming = group.create_task(self._receive(peer, request.container_id))
            outgoing = group.create_task(self._send(peer, shown))
            await asyncio.wait((incoming, outgoing), return_when=asyncio.FIRST_COMPLETED)
            if not outgoing.done():
                await asyncio.wait((outgoing,), timeout=LINGER_S)
            with contextlib.suppress(ConnectionError):
                await peer.finish(outgoing.result() if outgoing.done() else success())
            for task in (incoming, outgoing):
                task.cancel()

    def close(self) -> None:
        """Detaches from the container; a second call does nothing."""
        self._close_input()
        if self._output >= 0:
            os.close(self._output)
            self._output = -1

    async def _send(self, peer: Peer, shown: list[int]) -> dict[str, Any]:
        """Sends until the container's end or the client's; returns how it ended."""
        buffer = bytearray()
        with contextlib.suppress(ConnectionError):  # the client has gone; `_receive` sees that too
            while data := await read_some(self._output):
                buffer += data
                for channel, said in frames(buffer):
                    if channel == DROPPED:
                        return internal("the client reads too slowly for the container's output")
                    if channel in shown:
                        await peer.send(channel, said)
        return success()

    async def _receive(self, peer: Peer, container_id: str) -> None:
        """Handles the client's data until the client closes, or until no output is left to show after the end of its
        input."""
        while (event := await peer.receive()) is not None:
            match event:
                case Input(data):
                    await self._feed(data)
                case InputEnd():
                    if self._attachment.stdin and not await self._end_input(container_id):
                        return
                case Resize(columns, rows):
                    self._resize(columns, rows)

    async def _feed(self, data: bytes) -> None:
        if self._attachment.stdin and self._input >= 0:
            with contextlib.suppress(OSError):  # the program does not read any more
                await write_all(self._input, data)

    async def _end_input(self, container_id: str) -> bool:
        """Returns False if the session ends with its input, because the container's own input stays open."""
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

    def _resize(self, columns: int, rows: int) -> None:
        if self._attachment.tty and self._input >= 0:
            with contextlib.suppress(OSError):  # the program has ended
                resize(self._input, columns, rows)
