"""Sockets to upstreams, with the pending queries of each. A `Dialer` opens the sockets, because a process in the
cluster's network cannot reach the outside directly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from fairlead.base.dataclass import dataclass
from fairlead.dns.config import HOST, split_upstream
from fairlead.dns.protocol.message import Reply, parse_reply
from fairlead.dns.protocol.wire import Malformed

_REPLY_BYTES = 8192


class Dialer(Protocol):
    """Opens connected, non-blocking sockets to an upstream. Raises OSError."""

    async def udp(self, upstream: str) -> socket.socket: ...

    async def tcp(self, upstream: str) -> socket.socket: ...


class DirectDialer:
    """Dialer that connects directly; `host` is the name server for the upstream `host` (empty: none)."""

    def __init__(self, host: str) -> None:
        self._host = host

    async def udp(self, upstream: str) -> socket.socket:
        return await self._connect(upstream, socket.SOCK_DGRAM)

    async def tcp(self, upstream: str) -> socket.socket:
        return await self._connect(upstream, socket.SOCK_STREAM)

    async def _connect(self, upstream: str, kind: socket.SocketKind) -> socket.socket:
        name = self._host if upstream == HOST else upstream
        if not name:
            raise ConnectionRefusedError("no upstream name server")
        address = split_upstream(name)
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, kind)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        return sock


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts: seconds that one upstream gets for one attempt."""

    host_s: float = 4.5
    """Longer, because `host` tries several upstreams."""
    other_s: float = 1.0

    def of(self, upstream: str) -> float:
        return self.host_s if upstream == HOST else self.other_s


class UpstreamSocket:
    """One UDP socket to one upstream, with its pending queries: question and callback, by id."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.uses = 0
        self.waiting: dict[int, tuple[bytes, Callable[[Reply | OSError], object]]] = {}
        asyncio.get_running_loop().add_reader(sock.fileno(), self._read)

    def _read(self) -> None:
        while True:
            try:
                data = self.sock.recv(_REPLY_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                for _, hear in list(self.waiting.values()):
                    hear(error)
                return
            ident = int.from_bytes(data[:2], "big")
            held = self.waiting.get(ident)
            if held is None:
                continue
            try:
                reply = parse_reply(data, ident, held[0])
            except Malformed:
                continue  # forged or late: the right answer may still arrive
            held[1](reply)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        self.sock.close()


async def receive_exactly(sock: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        more = await loop.sock_recv(sock, count - len(data))
        if not more:
            raise ConnectionResetError("upstream closed in the middle of an answer")
        data += more
    return data
