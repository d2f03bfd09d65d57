"""A `kubectl exec`: runs a program in a container, and copies its streams to and from the client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.node.runtime.agent.fdio import read_some, write_all
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient, ZygoteError
from fairlead.node.runtime.child.launch import resize
from fairlead.node.runtime.protocol import wire
from fairlead.node.runtime.protocol.containerspec import ConsoleSize, ExecSpec
from fairlead.node.runtime.protocol.messages import Exited
from fairlead.node.streaming.peers import Peer
from fairlead.node.streaming.remotecommand import (
    STDERR,
    STDOUT,
    Event,
    Input,
    InputEnd,
    Resize,
    StreamOptions,
    failure,
    internal,
    success,
)

LINGER_S = 0.25
"""Seconds after the program's end: an output that is silent for that long counts as ended, even if another program
still has it open."""
_SIZE_S = 0.1
END_OF_INPUT = b"\x04"


@dataclass(frozen=True, slots=True)
class ExecRequest:
    container_id: str
    command: Sequence[str]
    options: StreamOptions


@dataclass(slots=True)
class Streams:
    """Our ends; -1 for a stream that was not asked for. A terminal's master side is both `stdin` and `stdout`."""

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    tty: bool = False

    def close(self) -> None:
        for fd in {self.stdin, self.stdout, self.stderr} - {-1}:
            os.close(fd)
        self.stdin = self.stdout = self.stderr = -1


class ExecSession:
    """Runs one request to the program's end, or to the client's."""

    def __init__(self, peer: Peer, zygote: ZygoteClient) -> None:
        self._peer = peer
        self._zygote = zygote
        self._id = zygote.new_id()
        self._streams = Streams()
        self._first: Event | None = None
        """The events that came before the program was started."""
        self._gone = False
        """The client went before the program was started."""
        self._ended = False
        """The program has ended."""
        self._reading: set[asyncio.Timeout] = set()
        """The time limits of outputs that wait for more."""

    async def serve(self, request: ExecRequest) -> None:
        exited = self._zygote.exits.wait(self._id)
        try:
            try:
                self._streams = await self._start(request)
            except ZygoteError as error:
                await self._peer.finish(internal(f"error executing command in container: {error}"))
                return
            await self._carry(exited, merged=request.options.tty)
        finally:
            self._zygote.exits.remove_listener(self._id)
            self._streams.close()

    async def _start(self, request: ExecRequest) -> Streams:
        options = request.options
        if options.tty:
            return await self._start_on_terminal(request)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        their_in, in_ = os.pipe2(os.O_CLOEXEC) if options.stdin else (os.dup(null), -1)
        out, their_out = os.pipe2(os.O_CLOEXEC) if options.stdout else (-1, os.dup(null))
        err, their_err = os.pipe2(os.O_CLOEXEC) if options.stderr else (-1, os.dup(null))
        theirs, ours = [their_in, their_out, their_err], Streams(in_, out, err)
        for fd in (ours.stdin, ours.stdout, ours.stderr):
            if fd >= 0:
                os.set_blocking(fd, False)
        try:
            await self._exec(request, theirs)
        except BaseException:
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
            fds = wire.receive_fds(ours)  # sent before exec, so it is there
        if not fds:
            raise ZygoteError("the container did not send its terminal")
        os.set_blocking(fds[0], False)
        return Streams(fds[0], fds[0], -1, tty=True)

    async def _first_size(self) -> ConsoleSize | None:
        """Clients send the size at once; a program should find it when it starts."""
        try:
            async with asyncio.timeout(_SIZE_S):
                self._first = await self._peer.receive()
        except TimeoutError:
            return None
        self._gone = self._first is None
        if not isinstance(self._first, Resize):
            return None
        return ConsoleSize(height=self._first.rows, width=self._first.columns)

    async def _exec(self, request: ExecRequest, fds: Sequence[int], size: ConsoleSize | None = None) -> None:
        tty = request.options.tty
        spec = ExecSpec(
            args=tuple(request.command), extra_env={"TERM": "xterm"} if tty else {}, terminal=tty, console_size=size
        )
        await self._zygote.exec(self._id, container=request.container_id, spec=spec, fds=fds)

    async def _carry(self, exited: asyncio.Future[Exited], *, merged: bool) -> None:
        streams = self._streams
        async with asyncio.TaskGroup() as group:
            incoming = group.create_task(self._receive())
            outputs = [group.create_task(self._send(streams.stdout, STDOUT))]
            if not merged:
                outputs.append(group.create_task(self._send(streams.stderr, STDERR)))
            waiting: list[asyncio.Future[Any]] = [exited, incoming]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if exited.done():
                self._limit_outputs()
                waiting = [asyncio.gather(*outputs), incoming]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                code = exited.result().exit.code
                with contextlib.suppress(ConnectionError):
                    await self._peer.finish(success() if code == 0 else failure(code))
            for task in (incoming, *outputs):
                task.cancel()

    def _limit_outputs(self) -> None:
        """Ends each output once it is silent for a while."""
        self._ended = True
        for limit in self._reading:
            limit.reschedule(asyncio.get_running_loop().time() + LINGER_S)

    async def _receive(self) -> None:
        """Handles what the client sends, until it goes."""
        event = self._first or (None if self._gone else await self._peer.receive())
        while event is not None:
            await self._on(event)
            event = await self._peer.receive()

    async def _on(self, event: Event) -> None:
        match event:
            case Input(data):
                await self._feed(data)
            case InputEnd():
                await self._end_input()
            case Resize(columns, rows):
                self._resize(columns, rows)

    def _resize(self, columns: int, rows: int) -> None:
        if self._streams.tty:
            with contextlib.suppress(OSError):  # the program has ended
                resize(self._streams.stdout, columns, rows)

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

    async def _send(self, fd: int, channel: int) -> None:
        if fd < 0:
            return
        with contextlib.suppress(ConnectionError):  # the client has gone; `_receive` sees that too
            while data := await self._read(fd):
                await self._peer.send(channel, data)
            await self._peer.end(channel)

    async def _read(self, fd: int) -> bytes:
        """Returns what the program writes; empty at the output's end."""
        try:
            async with asyncio.timeout(LINGER_S if self._ended else None) as limit:
                self._reading.add(limit)
                try:
                    return await read_some(fd)
                finally:
                    self._reading.discard(limit)
        except TimeoutError:
            return b""
