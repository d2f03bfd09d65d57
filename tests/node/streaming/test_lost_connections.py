"""Port-forward to programs that cut their connections, on the agent's event loop."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from typing import NoReturn

import uvloop

from fairlead.node.streaming.portforward import Connection, Dial, Forwarding
from tests.net.sandbox import TIMEOUT_S, answer, answer_of, stay

RESETS = struct.pack("ii", 1, 0)
"""SO_LINGER without a wait: the close sends RST."""


class Stalled(Forwarding):
    """The connections of a client that does not read until `reads` is set."""

    def __init__(self, dial: Dial, reads: asyncio.Event) -> None:
        super().__init__(dial, pod="p", uid="u")
        self.told = asyncio.Event()
        self._reads = reads

    async def _say(self, stream: int, data: bytes) -> None:
        self.told.set()
        await self._reads.wait()

    async def _end(self, stream: int) -> None:
        return


def test_data_for_a_program_that_has_cut_the_connection_is_dropped() -> None:
    """A write to a lost connection of uvloop is a RuntimeError. The client reads nothing meanwhile, so that the loss is
    not noticed by reading. In a separate process: after the exception, what uvloop leaves disturbs forked nodes."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            theirs, _ = listener.accept()
        ours.setblocking(False)

        async def dial(port: int) -> socket.socket:
            return ours

        async def until_lost() -> None:
            while ours.fileno() != -1:  # noqa: ASYNC110 -- the transport does not announce its end
                await asyncio.sleep(0.001)

        reads, connection = asyncio.Event(), Connection(80, data=1, error=2)
        task = asyncio.ensure_future((forwarding := Stalled(dial, reads))._forward(connection))
        theirs.send(b"x")
        await forwarding.told.wait()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
        theirs.close()
        await until_lost()
        connection.inbox.put(b"late")
        connection.inbox.put(b"")
        reads.set()
        await task

    def work(parent: socket.socket) -> NoReturn:
        signal.alarm(TIMEOUT_S)
        stay(parent)
        answer(parent, lambda: uvloop.run(main()))

    answer_of(work)
