"""One `kubectl exec`: a program in a container, its streams carried over a WebSocket.

Binary messages, the first byte is the channel: 0 stdin, 1 stdout, 2 stderr, 3 how it ended (a Status), 4 the terminal's
size; with v5, 255 and a channel's number close that channel. Sources: upstream's `remotecommand` protocol versions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from fairlead.node import wire
from fairlead.node.exits import Exits
from fairlead.node.fdio import read_some, write_all
from fairlead.node.launch import resize
from fairlead.node.wire import Message
from fairlead.node.zygoteclient import ZygoteClient, ZygoteError

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS, SIZE, CLOSE = 0, 1, 2, 3, 4, 255
LINGER_S = 0.25
"""After the program's end: how long the rest of what it said may take to come out of its pipes."""
_SIZE_S = 0.1
END_OF_INPUT = b"\x04"


@dataclass(frozen=True, slots=True)
class ExecRequest:
    container_id: str
    command: Sequence[str]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


@dataclass(slots=True)
class Streams:
    """Our ends; -1 where there is none. With a terminal both `stdin` and `stdout` are its master side."""

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    tty: bool = False

    def close(self) -> None:
        for fd in {self.stdin, self.stdout, self.stderr} - {-1}:
            os.close(fd)
        self.stdin = self.stdout = self.stderr = -1


def success() -> dict[str, Any]:
    return {"metadata": {}, "status": "Success"}


def failure(code: int) -> dict[str, Any]:
    """How a program with another exit code than 0 is told; kubectl exits with it."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def internal(message: str) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }


def parse_size(data: bytes) -> tuple[int, int] | None:
    """Columns and rows."""
    try:
        tree = json.loads(data)
        columns, rows = int(tree["Width"]), int(tree["Height"])
    except (ValueError, KeyError, TypeError):
        return None
    return (columns, rows) if 0 < columns < 65536 and 0 < rows < 65536 else None


class ExecSession:
    """Runs one request on an open WebSocket to the program's end, or to the peer's."""

    def __init__(self, ws: web.WebSocketResponse, zygote: ZygoteClient, exits: Exits, *, id_: str) -> None:
        self._ws = ws
        self._zygote = zygote
        self._exits = exits
        self._id = id_
        self._streams = Streams()
        self._first: WSMessage | None = None
        """What came while the program was not started yet."""

    async def run(self, request: ExecRequest) -> None:
        exited = self._exits.wait(self._id)
        try:
            try:
                self._streams = await self._start(request)
            except ZygoteError as error:
                await self._tell(internal(f"error executing command in container: {error}"))
                return
            await self._carry(exited, merged=request.tty)
        finally:
            self._exits.drop(self._id)
            self._streams.close()

    async def _start(self, request: ExecRequest) -> Streams:
        if request.tty:
            return await self._start_on_terminal(request)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        their_in, in_ = os.pipe2(os.O_CLOEXEC) if request.stdin else (os.dup(null), -1)
        out, their_out = os.pipe2(os.O_CLOEXEC) if request.stdout else (-1, os.dup(null))
        err, their_err = os.pipe2(os.O_CLOEXEC) if request.stderr else (-1, os.dup(null))
        theirs, ours = [their_in, their_out, their_err], Streams(in_, out, err)
        for fd in (ours.stdin, ours.stdout, ours.stderr):
            if fd >= 0:
                os.set_blocking(fd, False)
        try:
            await self._exec(request, theirs)
        except ZygoteError:
            ours.close()
            raise
        finally:
            for fd in (null, *theirs):
                os.close(fd)
        return ours

    async def _start_on_terminal(self, request: ExecRequest) -> Streams:
        size = await self._first_size()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            await self._exec(request, [theirs.fileno()], size)
            theirs.close()
            fds = wire.take_fds(ours)  # sent before exec, so it is there
        if not fds:
            raise ZygoteError("the terminal did not come")
        os.set_blocking(fds[0], False)
        return Streams(fds[0], fds[0], -1, tty=True)

    async def _first_size(self) -> tuple[int, int] | None:
        """Clients send the size at once; a program should find it when it starts."""
        try:
            message = await self._ws.receive(timeout=_SIZE_S)
        except TimeoutError:
            return None
        self._first = message
        binary = message.type == WSMsgType.BINARY and message.data[:1] == bytes([SIZE])
        return parse_size(message.data[1:]) if binary else None

    async def _exec(self, request: ExecRequest, fds: Sequence[int], size: tuple[int, int] | None = None) -> None:
        recipe: Message = {"argv": list(request.command), "tty": request.tty, "size": size}
        if request.tty:
            recipe["add_env"] = {"TERM": "xterm"}
        await self._zygote.exec(self._id, container=request.container_id, recipe=recipe, fds=fds)

    async def _carry(self, exited: asyncio.Future[Message], *, merged: bool) -> None:
        streams = self._streams
        async with asyncio.TaskGroup() as group:
            incoming = group.create_task(self._take())
            outputs = [group.create_task(self._send(streams.stdout, STDOUT))]
            if not merged:
                outputs.append(group.create_task(self._send(streams.stderr, STDERR)))
            waiting: list[asyncio.Future[Any]] = [exited, incoming]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if exited.done():
                await self._drain(outputs)
                code = exited.result()["exit"]["code"]
                await self._tell(success() if code == 0 else failure(code))
            for task in (incoming, *outputs):
                task.cancel()

    async def _drain(self, outputs: list[asyncio.Task[None]]) -> None:
        """Until the outputs end, or nothing more comes though something holds them open."""
        await asyncio.wait(outputs, timeout=LINGER_S)

    async def _take(self) -> None:
        """What the peer sends, until it goes."""
        if self._first is not None:
            if self._first.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
                return
            await self._take_one(self._first)
        async for message in self._ws:
            await self._take_one(message)

    async def _take_one(self, message: WSMessage) -> None:
        if message.type != WSMsgType.BINARY or not message.data:
            return
        channel, data = message.data[0], message.data[1:]
        if channel == STDIN and data:
            await self._feed(data)
        elif channel == CLOSE and data[:1] == bytes([STDIN]):
            await self._end_input()
        elif channel == SIZE and self._streams.tty:
            self._resize(data)

    async def _feed(self, data: bytes) -> None:
        if self._streams.stdin >= 0:
            with contextlib.suppress(OSError):  # the program does not read any more
                await write_all(self._streams.stdin, data)

    async def _end_input(self) -> None:
        streams = self._streams
        if streams.tty:
            await self._feed(END_OF_INPUT)
        elif streams.stdin >= 0:
            os.close(streams.stdin)
            streams.stdin = -1

    def _resize(self, data: bytes) -> None:
        size = parse_size(data)
        if size is not None:
            with contextlib.suppress(OSError):  # the program has ended
                resize(self._streams.stdout, *size)

    async def _send(self, fd: int, channel: int) -> None:
        if fd < 0:
            return
        with contextlib.suppress(ConnectionError):  # the peer has gone; `_take` sees that too
            while data := await read_some(fd):
                await self._ws.send_bytes(bytes([channel]) + data)

    async def _tell(self, status: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):
            await self._ws.send_bytes(bytes([STATUS]) + json.dumps(status).encode())
            await self._ws.close()
