"""The agent's side of the zygote: requests as coroutines, happenings as callbacks."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairlead.node.runtime import wire
from fairlead.node.runtime.exits import Exits
from fairlead.node.runtime.wire import Message


class ZygoteError(Exception):
    """The zygote could not do what it was asked; the text says why."""


class ZygoteGone(Exception):
    """The zygote has died, and every container with it, or it has given up on a slow reader: start anew."""


@dataclass(slots=True)
class _Pending:
    future: asyncio.Future[Message]
    parts: list[Message] = field(default_factory=list)
    fds: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """What a zygote has: sandboxes `{id, meta}` and containers `{id, sandbox, meta, pid, started, exit}`."""

    sandboxes: list[Message]
    children: list[Message]


@dataclass(frozen=True, slots=True)
class Attachment:
    """What `attach` gives; the descriptors are the caller's to close."""

    output: int
    """A pipe with frames (`node/runtime/attached.py`), to the container's end."""
    input: int
    """The container's terminal, or the writing end of its input; -1 where it has neither."""
    tty: bool
    stdin: bool
    once: bool
    """The input ends with the first client that had it."""


class ZygoteClient:
    """Speaks on one inherited end of the pair; `start` it inside the running loop before anything else."""

    def __init__(self, sock: socket.socket, *, epoch: int, new_id: Callable[[], str]) -> None:
        self._sock = sock
        self._epoch = epoch
        self.new_id = new_id
        """Returns an id for a container or an exec that no other has."""
        self.exits = Exits()
        self._next = 0
        self._pending: dict[int, _Pending] = {}
        self._outbox: deque[tuple[Message, list[int]]] = deque()
        self._gone: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Says hello, which makes void whatever was meant for an agent before this one."""
        loop = asyncio.get_running_loop()
        self._gone = loop.create_future()
        loop.add_reader(self._sock.fileno(), self._read)
        await self._ask({"op": "hello", "epoch": self._epoch})

    def stop(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock.fileno())
        loop.remove_writer(self._sock.fileno())

    async def wait_gone(self) -> None:
        """Returns never, or raises ZygoteGone."""
        assert self._gone is not None
        await asyncio.shield(self._gone)

    async def make_sandbox(self, id_: str, *, hostname: str, meta: Any, netns: int | None = None) -> int:
        """New namespaces, but for the network where one is given; returns the network namespace, which the caller
        must close."""
        request = {"op": "sandbox", "id": id_, "hostname": hostname, "meta": meta}
        return (await self._ask(request, () if netns is None else (netns,))).fds[0]

    async def netns(self, id_: str) -> int:
        return (await self._ask({"op": "netns", "id": id_})).fds[0]

    async def remove_sandbox(self, id_: str) -> None:
        await self._ask({"op": "sandbox_remove", "id": id_})

    async def start_container(
        self, id_: str, *, sandbox: str, recipe: Message, log: str, meta: Any, target: str = ""
    ) -> Message:
        """Returns when the program runs: `{pid, started}`. With `target` it runs among that container's processes.
        Raises ZygoteError if it could not be started."""
        request = {"op": "start", "id": id_, "sandbox": sandbox, "recipe": recipe, "log": log, "meta": meta}
        if target:
            request["target"] = target
        return (await self._ask(request)).future.result()

    async def exec(self, id_: str, *, container: str, recipe: Message, fds: Sequence[int]) -> Message:
        """A further program in a running container, on these descriptors: stdin, stdout, stderr, or (with `tty`)
        one SOCK_SEQPACKET socket over which the terminal's master side comes. Its end comes as an exit."""
        request = {"op": "exec", "id": id_, "container": container, "recipe": recipe}
        return (await self._ask(request, fds)).future.result()

    async def attach(self, id_: str, *, stdin: bool) -> Attachment:
        """Takes part in what a running container says, and with `stdin` in what it is told. Closing the output is
        the farewell. Raises ZygoteError where it does not run."""
        output, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            pending = await self._ask({"op": "attach", "id": id_, "stdin": stdin}, (theirs,))
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(theirs)
        told, input_ = pending.future.result(), pending.fds[0] if pending.fds else -1
        if input_ >= 0:
            os.set_blocking(input_, False)
        return Attachment(output, input_, told["tty"], told["stdin"], told["once"])

    async def end_input(self, id_: str) -> None:
        """An attached client has nothing more to say; closes the input where it is meant for one client only."""
        await self._ask({"op": "end_input", "id": id_})

    async def signal(self, id_: str, number: int) -> None:
        await self._ask({"op": "signal", "id": id_, "sig": number})

    async def found(self) -> Found:
        parts = (await self._ask({"op": "list"})).parts
        return Found([p["sandbox"] for p in parts if "sandbox" in p], [p["child"] for p in parts if "child" in p])

    async def forget(self, id_: str) -> None:
        await self._ask({"op": "forget", "id": id_})

    async def _ask(self, message: Message, fds: Sequence[int] = ()) -> _Pending:
        if self._gone is None or self._gone.done():
            raise ZygoteGone("the zygote has gone")
        self._next += 1
        pending = _Pending(asyncio.get_running_loop().create_future())
        self._pending[self._next] = pending
        self._outbox.append((message | {"q": self._next}, [os.dup(fd) for fd in fds]))
        self._write()
        await pending.future
        return pending

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._outbox:
            message, fds = self._outbox[0]
            try:
                wire.send(self._sock, message, fds)
            except BlockingIOError:
                loop.add_writer(self._sock.fileno(), self._write)
                return
            except ConnectionError:
                self._fail()
                return
            self._outbox.popleft()
            for fd in fds:
                os.close(fd)
        loop.remove_writer(self._sock.fileno())

    def _read(self) -> None:
        while True:
            try:
                got = wire.receive(self._sock)
            except BlockingIOError:
                return
            except ConnectionError:
                got = None
            if got is None:
                self._fail()
                return
            self._take(*got)

    def _take(self, message: Message, fds: list[int]) -> None:
        if message.get("e") != self._epoch:
            for fd in fds:
                os.close(fd)
        elif message.get("ev") == "exit":
            self.exits.notify(message)
        elif message.get("ev") == "overflow":
            self._fail()
        else:
            self._answer(message, fds)

    def _answer(self, message: Message, fds: list[int]) -> None:
        pending = self._pending.get(message.get("re", 0))
        if pending is None or pending.future.done():  # its asker was cancelled
            for fd in fds:
                os.close(fd)
        elif message.get("more"):
            pending.parts.append(message)
        elif "error" in message:
            pending.future.set_exception(ZygoteError(message["error"]))
        else:
            pending.fds = fds
            pending.future.set_result(message)
        if not message.get("more"):
            self._pending.pop(message.get("re", 0), None)

    def _fail(self) -> None:
        self.stop()
        assert self._gone is not None
        if not self._gone.done():
            self._gone.set_exception(ZygoteGone("the zygote has gone"))
            self._gone.exception()
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(ZygoteGone("the zygote has gone"))
        self._pending.clear()
