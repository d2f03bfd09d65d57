"""Asks the supervisor for sockets on the host.

Each reply goes to the task that asked. A socket whose task no longer waits (it was cancelled, or an earlier process
asked) is closed at once; otherwise the host would listen for no purpose.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Sequence

from fairlead.net.hostsockets.messages import (
    MAX_BYTES,
    Connect,
    Dial,
    Listen,
    ListServers,
    Packet,
    Protocol,
    Refused,
    Reply,
    Request,
    Servers,
    pack,
    unpack,
)

_ANSWER_S = 5.0


class SocketRefused(ConnectionRefusedError):
    """The supervisor does not open the socket; the text says why."""


class HostSocketClient:
    """Client of the supervisor. `rng` chooses request numbers that an earlier process is unlikely to have used.

    All methods raise OSError if the supervisor does not answer within `answer_s`, and SocketRefused if it refuses.
    """

    def __init__(self, sock: socket.socket, *, rng: random.Random, answer_s: float = _ANSWER_S) -> None:
        self._sock = sock
        self._sock.setblocking(False)
        self._number = rng.getrandbits(48)
        self._answer_s = answer_s
        self._waiting: dict[int, asyncio.Future[Reply | socket.socket]] = {}
        self._reading = False

    async def listen(self, port: int, protocol: Protocol = "TCP") -> socket.socket:
        """Returns a bound, non-blocking socket on the host's 127.0.0.1 (port 0: any free port), listening if it is
        TCP."""
        return await self._open(Listen(port, protocol))

    async def connect(self, port: int, protocol: Protocol = "TCP") -> socket.socket:
        """Returns a socket connected, or connecting, to an exposed port of the host's 127.0.0.1."""
        return await self._open(Connect(port, protocol))

    async def dial(self, to: tuple[str, int], protocol: Protocol = "TCP") -> socket.socket:
        """Returns a socket connected, or connecting, to an address and port of another machine."""
        return await self._open(Dial(to[0], to[1], protocol))

    async def servers(self) -> Sequence[str]:
        """Returns the present upstream name servers."""
        reply = await self._ask(ListServers())
        return reply.servers if isinstance(reply, Servers) else ()

    async def _open(self, request: Request) -> socket.socket:
        reply = await self._ask(request)
        if not isinstance(reply, socket.socket):
            raise SocketRefused("the supervisor sent no socket")
        return reply

    async def _ask(self, request: Request) -> Reply | socket.socket:
        loop = asyncio.get_running_loop()
        if not self._reading:
            loop.add_reader(self._sock.fileno(), self._read)
            self._reading = True
        self._number += 1
        number, answer = self._number, loop.create_future()
        self._waiting[number] = answer
        try:
            self._sock.send(pack(number, request))
            async with asyncio.timeout(self._answer_s):
                reply: Reply | socket.socket = await answer
                return reply
        except (asyncio.CancelledError, TimeoutError):
            _close(answer)
            raise
        finally:
            del self._waiting[number]

    def _read(self) -> None:
        try:
            raw, fds, _, _ = socket.recv_fds(self._sock, MAX_BYTES, 4)
        except BlockingIOError:
            return
        except OSError:
            raw, fds = b"", []
        if raw:
            self._resolve(unpack(raw), fds)
            return
        asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._reading = False
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the supervisor is gone"))

    def _resolve(self, packet: Packet, fds: Sequence[int]) -> None:
        waiting, reply = self._waiting.get(packet.number), packet.message
        if waiting is None or waiting.done():
            for fd in fds:
                socket.close(fd)
        elif fds:
            opened = socket.socket(fileno=fds[0])
            opened.setblocking(False)
            waiting.set_result(opened)
        elif isinstance(reply, Refused):
            waiting.set_exception(SocketRefused(reply.error))
        elif isinstance(reply, Reply):
            waiting.set_result(reply)


def _close(answer: asyncio.Future[Reply | socket.socket]) -> None:
    """Closes a socket that arrived in the same turn in which its task was cancelled."""
    if answer.done() and not answer.cancelled() and answer.exception() is None:
        arrived = answer.result()
        if isinstance(arrived, socket.socket):
            arrived.close()
