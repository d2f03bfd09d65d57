"""The agent's side of the zygote: requests as coroutines, exits as futures and callbacks (`exits`)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from fairlead.base.codec import CodecError
from fairlead.base.dataclass import dataclass
from fairlead.node.runtime.agent.exits import Exits
from fairlead.node.runtime.protocol import messages, wire
from fairlead.node.runtime.protocol.containerspec import ExecSpec
from fairlead.node.runtime.protocol.messages import (
    Answer,
    Done,
    Exited,
    Failed,
    Inventory,
    Notice,
    Operation,
    Overflow,
    Request,
    Result,
    StartContainer,
    Started,
    Welcome,
)

R = TypeVar("R")


class ZygoteError(Exception):
    """The zygote could not do what it was asked; the text says why."""


class ZygoteEnded(Exception):
    """The zygote has died, and every container with it, or it has given up on a slow reader: start anew."""


class ZygoteVersionError(Exception):
    """The zygote speaks another version of the protocol than this agent."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """The result of `attach`; the caller must close the descriptors."""

    output: int
    """A pipe with frames (`node/runtime/zygote/attached.py`), to the container's end."""
    input: int
    """The container's terminal, or the writing end of its input; -1 if the container has neither."""
    tty: bool
    stdin: bool
    once: bool
    """The input ends with the first client that had it."""


_Reply = tuple[Result, list[int]]


class ZygoteClient:
    """Speaks on one inherited end of the pair; `start` it inside the running loop before anything else."""

    def __init__(self, sock: socket.socket, *, epoch: int, new_id: Callable[[], str]) -> None:
        self._sock = sock
        self._epoch = epoch
        self.new_id = new_id
        """Returns an id for a container or an exec that no other has."""
        self.exits = Exits()
        self._number = 0
        self._pending: dict[int, asyncio.Future[_Reply]] = {}
        self._outbox: deque[tuple[bytes, list[int]]] = deque()
        self._gone: asyncio.Future[None] | None = None

    async def start(self) -> int:
        """Says hello, which makes void the messages for an agent before this one. Returns the zygote's pid. Raises
        ZygoteVersionError."""
        loop = asyncio.get_running_loop()
        self._gone = loop.create_future()
        loop.add_reader(self._sock.fileno(), self._read)
        return (await self._ask(messages.Hello(self._epoch), Welcome))[0].pid

    def stop(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock.fileno())
        loop.remove_writer(self._sock.fileno())

    async def wait_gone(self) -> None:
        """Returns never, or raises ZygoteEnded."""
        assert self._gone is not None
        await asyncio.shield(self._gone)

    async def make_sandbox(self, request: messages.MakeSandbox, netns: int | None = None) -> int:
        """Makes new namespaces, but for the network if one is given; returns the network namespace, which the caller
        must close."""
        return (await self._ask(request, Done, () if netns is None else (netns,)))[1][0]

    async def netns(self, id_: str) -> int:
        """Returns a sandbox's network namespace, which the caller must close."""
        return (await self._ask(messages.OpenNetwork(id_), Done))[1][0]

    async def remove_sandbox(self, id_: str) -> None:
        await self._ask(messages.RemoveSandbox(id_), Done)

    async def start_container(self, start: StartContainer) -> Started:
        """Returns when the program runs. Raises ZygoteError if it could not be started."""
        return (await self._ask(start, Started))[0]

    async def exec(self, id_: str, *, container: str, spec: ExecSpec, fds: Sequence[int]) -> Started:
        """Starts a further program in a running container, on these descriptors: stdin, stdout, stderr, or (with a
        terminal) one SOCK_SEQPACKET socket over which the terminal's master side comes. Its end comes as an exit."""
        return (await self._ask(messages.Exec(id_, container, spec), Started, fds))[0]

    async def attach(self, id_: str, *, stdin: bool) -> Attachment:
        """Joins a running container's output, and with `stdin` its input. Closing the output ends the attachment.
        Raises ZygoteError if the container does not run."""
        output, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            accepted, fds = await self._ask(messages.Attach(id_, stdin), messages.Attached, (theirs,))
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(theirs)
        for fd in fds:
            os.set_blocking(fd, False)
        return Attachment(output, fds[0] if fds else -1, accepted.terminal, accepted.stdin, accepted.stdin_once)

    async def end_input(self, id_: str) -> None:
        """Reports the end of an attached client's input; closes the container's input if it is meant for one client
        only."""
        await self._ask(messages.EndInput(id_), Done)

    async def signal(self, id_: str, number: int) -> None:
        await self._ask(messages.Signal(id_, number), Done)

    async def inventory(self) -> Inventory:
        return (await self._ask(messages.ListAll(), Inventory))[0]

    async def remove_container(self, id_: str) -> None:
        await self._ask(messages.RemoveContainer(id_), Done)

    async def _ask(self, operation: Operation, answer: type[R], fds: Sequence[int] = ()) -> tuple[R, list[int]]:
        """Returns the answer, which is of the given type, and its descriptors. Raises ZygoteError, ZygoteEnded."""
        if self._gone is None or self._gone.done():
            raise ZygoteEnded("the zygote has ended")
        self._number += 1
        number = self._number
        future: asyncio.Future[_Reply] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        self._outbox.append((wire.dumps(Request(number, operation)), [os.dup(fd) for fd in fds]))
        self._write()
        result, given = await future
        if isinstance(result, Failed):
            raise ZygoteError(result.error)
        if not isinstance(result, answer):
            raise ZygoteError(f"the zygote answered {type(operation).__name__} with {type(result).__name__}")
        return result, given

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._outbox:
            data, fds = self._outbox[0]
            try:
                wire.send(self._sock, data, fds)
            except BlockingIOError:
                loop.add_writer(self._sock.fileno(), self._write)
                return
            except ConnectionError:
                self._fail(ZygoteEnded("the zygote has ended"))
                return
            self._outbox.popleft()
            for fd in fds:
                os.close(fd)
        loop.remove_writer(self._sock.fileno())

    def _read(self) -> None:
        assert self._gone is not None
        while not self._gone.done():
            try:
                packet = wire.receive(self._sock)
            except BlockingIOError:
                return
            except ConnectionError:
                packet = None
            if packet is None:
                self._fail(ZygoteEnded("the zygote has ended"))
                return
            self._receive(*packet)

    def _receive(self, data: bytes, fds: list[int]) -> None:
        """Handles one packet. Descriptors that no request waits for are closed."""
        used = False
        try:
            used = self._dispatch(wire.loads(data), fds)
        except wire.OtherVersion as error:
            cure = "restart the cluster: fairlead down, fairlead up"
            text = f"this node's zygote speaks {error}, its agent version {messages.VERSION}: {cure}"
            self._fail(ZygoteVersionError(text))
        except CodecError as error:
            self._fail(ZygoteEnded(f"the zygote sent an invalid message: {error}"))
        finally:
            for fd in () if used else fds:
                os.close(fd)

    def _dispatch(self, message: messages.Message, fds: list[int]) -> bool:
        """Returns whether the descriptors have been handed on."""
        match message:
            case Answer(0, _, Failed(error)):
                self._fail(ZygoteEnded(error))
            case Answer(epoch, number, result) if epoch == self._epoch:
                pending = self._pending.pop(number, None)
                if pending is not None and not pending.done():  # otherwise its asker was cancelled
                    pending.set_result((result, fds))
                    return True
            case Notice(epoch, Exited() as exited) if epoch == self._epoch:
                self.exits.notify(exited)
            case Notice(epoch, Overflow()) if epoch == self._epoch:
                self._fail(ZygoteEnded("the zygote has dropped messages that were not read in time"))
            case _:  # for an agent before this one
                pass
        return False

    def _fail(self, error: ZygoteEnded | ZygoteVersionError) -> None:
        self.stop()
        assert self._gone is not None
        if not self._gone.done():
            self._gone.set_exception(error)
            self._gone.exception()
        for pending in self._pending.values():
            if not pending.done():
                pending.set_exception(error)
        self._pending.clear()
