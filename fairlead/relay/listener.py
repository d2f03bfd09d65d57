"""Asks the supervisor for sockets on the host, for the relay.

Each answer goes to the task that asked. A socket whose task no longer waits (the Service was deleted meanwhile, or
an earlier relay asked) is closed at once; otherwise the host would listen for no purpose.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Sequence
from typing import Any, Literal

from fairlead.relay.host import MAX_REQUEST

Protocol = Literal["TCP", "UDP"]

_ANSWER_S = 5.0


class PortTaken(Exception):
    """The supervisor cannot open the socket; the text says why."""


class HostListener:
    """Client of the supervisor. `rng` chooses request numbers that an earlier relay is unlikely to have used."""

    def __init__(self, sock: socket.socket, *, rng: random.Random) -> None:
        self._sock = sock
        self._sock.setblocking(False)
        self._number = rng.randrange(1 << 40)
        self._waiting: dict[int, asyncio.Future[socket.socket]] = {}
        self._reading = False

    async def listen(self, port: int, protocol: Protocol = "TCP") -> socket.socket:
        """Returns a bound, non-blocking socket on the host's 127.0.0.1 (port 0: any free port), listening if it is
        TCP. Raises PortTaken; OSError if the supervisor does not answer."""
        return await self._ask({"listen": port, "protocol": protocol})

    async def connect(self, port: int, protocol: Protocol = "TCP") -> socket.socket:
        """Returns a socket connected, or connecting, to an exposed port of the host's 127.0.0.1. Raises as
        `listen`."""
        return await self._ask({"connect": port, "protocol": protocol})

    async def dial(self, to: tuple[str, int], protocol: Protocol = "TCP") -> socket.socket:
        """Returns a socket connected, or connecting, to an address and port of another machine. Raises as
        `listen`."""
        return await self._ask({"connect": to[1], "address": to[0], "protocol": protocol})

    async def _ask(self, request: dict[str, Any]) -> socket.socket:
        loop = asyncio.get_running_loop()
        if not self._reading:
            loop.add_reader(self._sock.fileno(), self._read)
            self._reading = True
        answer: asyncio.Future[socket.socket] = loop.create_future()
        self._number += 1
        number = self._number
        self._waiting[number] = answer
        try:
            self._sock.send(json.dumps(request | {"id": number}).encode())
            async with asyncio.timeout(_ANSWER_S):
                return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                answer.result().close()  # the answer arrived in the same turn
            raise
        finally:
            del self._waiting[number]

    def _read(self) -> None:
        try:
            raw, fds, _, _ = socket.recv_fds(self._sock, MAX_REQUEST, 4)
        except BlockingIOError:
            return
        except OSError:
            raw, fds = b"", []
        if not raw:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self._reading = False
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionResetError("the supervisor is gone"))
            return
        self._give(json.loads(raw), fds)

    def _give(self, answer: dict[str, Any], fds: Sequence[int]) -> None:
        waiting = self._waiting.get(answer["id"])
        if waiting is None or waiting.done():
            for fd in fds:
                socket.close(fd)
        elif fds:
            listener = socket.socket(fileno=fds[0])
            listener.setblocking(False)
            waiting.set_result(listener)
        else:
            waiting.set_exception(PortTaken(answer.get("error", "the supervisor sent no socket")))
