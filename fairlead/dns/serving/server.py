"""Sockets: a drained UDP reader and pipelined TCP.

The UDP reader receives up to 256 datagrams a turn of the event loop, 64 by one system call, and sends as many by
another. A query in the usual form whose answer is packed costs one look-up; other queries go through
`Resolver.ask`.
Rejected: asyncio's datagram protocol (a sixth fewer questions a second than with one call a datagram:
docs/measurements.md, 5), several processes (clients share the cores).
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import socket
from collections.abc import Sequence
from typing import cast

from fairlead.base.limits import descriptor_limit
from fairlead.base.tasks import Nursery
from fairlead.dns.protocol.wire import EDNS_SIZE, PLAIN_SIZE
from fairlead.dns.serving.batch import SLOT, SLOTS, STARTS, Batch
from fairlead.dns.serving.resolver import Resolver
from fairlead.runtime.accepting import Acceptor

_ROUNDS = 4
_BUFFER = 4 << 20
_COUNTS = b"\0\1\0\0\0\0\0"
_MODES = {
    flags + _COUNTS + additional: additional == b"\1" for flags in (b"\1\0", b"\1\x20") for additional in (b"\0", b"\1")
}
"""Flags (RD, and AD, which dig sets) and counts of queries in the usual form; True for those with EDNS."""
_NO_MODES: dict[bytes, bool] = {}
_OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
_OPT_SIZE = len(_OPT)
_OPT_HEAD = b"\0\0\x29"
_NO_FLAGS = b"\0\0\0\0"

IDLE_S = 10.0
MOST_CONNECTIONS = 512
MOST_WAITING = 64
"""Questions of one TCP connection that may wait for their answers."""


def _nothing(_: bytes, __: float) -> None:
    return None


class UdpServer:
    def __init__(self, sock: socket.socket, resolver: Resolver) -> None:
        self._sock = sock
        self._resolver = resolver
        self._family = "2" if sock.family == socket.AF_INET6 else "1"
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._batch = Batch(sock)

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self.drain)

    def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock.fileno())

    def drain(self) -> None:
        """Answers pending queries, at most 256, so that other work on the event loop is not delayed."""
        for _ in range(_ROUNDS):
            lengths = self._batch.receive()
            if lengths:
                self._answer(lengths)
            if len(lengths) < SLOTS:
                break

    def _answer(self, lengths: list[int]) -> None:  # noqa: PLR0915 -- a function call a query would cost 2 %
        """Answers received queries. Hot path: a packed answer is written into the query's slot."""
        batch, resolver = self._batch, self._resolver
        memory = batch.memory
        look_up, hits = resolver.zone.hot.get, resolver.metrics.hits[self._family]
        mode_of = (_NO_MODES if resolver.zone.config.log else _MODES).get
        kept = resolver.cache.packed if resolver.ready else _nothing
        count = others = asked = answered = first = 0
        sizes: list[int] = []
        began = resolver.clock.monotonic()
        for at, length in zip(STARTS, lengths, strict=False):
            packed, end, limit = None, at + length, PLAIN_SIZE
            edns = mode_of(memory[at + 2 : at + 12])
            if edns:
                end, limit = _edns(memory, at, end)
            if edns is not None and limit:
                question = memory[at + 12 : end]
                packed = look_up(question)
                if packed is None:
                    packed = kept(question, began)
                    others += packed is not None
            if packed is None:
                size = self._slow(at, length)
                if not size:  # a gap: send the answers before it
                    batch.send(first, sizes)
                    first, sizes = at // SLOT + 1, []
                    continue
            else:
                if isinstance(packed, bytes):
                    head, body = packed[:10], packed[10:]
                else:
                    head, body = packed.next_answer(limit, _OPT_SIZE if edns else 0)
                if edns:
                    head, body = head[:9] + bytes((head[9] + 1,)), body + _OPT
                memory[at + 2 : at + 12] = head
                size = end + len(body) - at
                memory[end : at + size] = body
                hits[question[-3]] += 1
                count += 1
                asked += length
                answered += size
            sizes.append(size)
        batch.send(first, sizes)
        if count:
            resolver.metrics.fast(count, others, asked, answered, resolver.clock.monotonic() - began)

    def _slow(self, at: int, length: int) -> int:
        """Returns the size of the answer written into the slot; 0 if there is no answer, or not yet."""
        peer, sock = self._batch.peer(at // SLOT), self._sock

        def later(said: bytes) -> None:
            with contextlib.suppress(OSError):
                sock.sendto(said, peer)

        memory = self._batch.memory
        said = self._resolver.ask(memory[at : at + length], later, protocol="udp", peer=peer[0])
        if said is None:
            return 0
        memory[at : at + len(said)] = said
        return len(said)


def _edns(memory: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """Returns the end of the question of a query with one additional record, and the client's payload size; size 0
    if the record is not an OPT in its usual form."""
    tail = memory.find(b"\0", at + 12, end) + 5
    extra = memory[tail:end]
    usual = len(extra) >= _OPT_SIZE and extra[:3] == _OPT_HEAD and extra[5:9] == _NO_FLAGS
    if not usual or len(extra) != _OPT_SIZE + (extra[9] << 8 | extra[10]):
        return end, 0
    return tail, min(max(extra[3] << 8 | extra[4], PLAIN_SIZE), EDNS_SIZE)


class TcpConnection(asyncio.Protocol):
    """Frames of two bytes of length and a message; answers go out as they are ready, in any order (RFC 7766)."""

    def __init__(self, resolver: Resolver, connections: dict[TcpConnection, None]) -> None:
        self._resolver = resolver
        self._connections = connections
        self._inbox = b""
        self._waiting = 0
        self._ended = False
        self._blocked = False
        self._peer = ""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = str(transport.get_extra_info("peername", ("",))[0])
        self._rest()

    def connection_lost(self, _: Exception | None) -> None:
        self._ended = True
        self._connections.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._inbox += data
        self._work()

    def eof_received(self) -> bool:
        """Keeps the connection open until pending queries are answered."""
        if not self._waiting:
            return False
        self._ended = True
        return True

    def pause_writing(self) -> None:
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._blocked = False
        self._transport.resume_reading()
        self._work()

    def _work(self) -> None:
        while len(self._inbox) >= 2 and not self._blocked and self._waiting < MOST_WAITING:
            length = self._inbox[0] << 8 | self._inbox[1]
            if len(self._inbox) < 2 + length:
                break
            message, self._inbox = self._inbox[2 : 2 + length], self._inbox[2 + length :]
            self._waiting += 1
            self._rest()
            said = self._resolver.ask(message, self._answered, protocol="tcp", peer=self._peer)
            if said is not None:
                self._answered(said)
            elif len(message) < 12 or message[2] & 0x80:
                self._waiting -= 1
                self._transport.close()  # not a query: no answer, and the rest of the stream cannot be trusted
                return
        if self._waiting >= MOST_WAITING:
            self._transport.pause_reading()

    def _answered(self, said: bytes) -> None:
        full = self._waiting >= MOST_WAITING
        self._waiting -= 1
        if self._transport.is_closing():
            return
        self._transport.write(len(said).to_bytes(2, "big") + said)
        if self._ended and not self._waiting:
            self._transport.close()
        elif full and not self._blocked:
            self._transport.resume_reading()
            asyncio.get_running_loop().call_soon(self._work)

    def abort(self) -> None:
        self._connections.pop(self, None)
        self._transport.abort()

    def _rest(self) -> None:
        """Restarts the idle time after a whole query. A part of a query does not count."""
        self._connections.pop(self, None)
        self._connections[self] = None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(IDLE_S, self._transport.close)


class TcpServer:
    """Answers on listening sockets. If there are too many connections, the one whose last query is oldest is
    closed."""

    def __init__(self, listeners: Sequence[socket.socket], resolver: Resolver, nursery: Nursery) -> None:
        self._resolver = resolver
        self._nursery = nursery
        self._connections: dict[TcpConnection, None] = {}
        """Ordered by the last query, the oldest first."""
        self._most = max(1, min(MOST_CONNECTIONS, descriptor_limit() // 4))
        self._acceptors = [Acceptor(sock, self._take, exhausted=self._shed) for sock in listeners]

    def start(self) -> None:
        """Starts accepting connections. Owns the sockets."""
        for acceptor in self._acceptors:
            acceptor.start()

    def close(self) -> None:
        """Stops accepting; open connections continue."""
        for acceptor in self._acceptors:
            acceptor.close()

    def _take(self, sock: socket.socket) -> None:
        while len(self._connections) >= self._most:
            self._shed()
        self._nursery.spawn(self._open(sock))

    async def _open(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # the client is gone
            await loop.connect_accepted_socket(lambda: TcpConnection(self._resolver, self._connections), sock)

    def _shed(self) -> None:
        for oldest in list(self._connections)[:1]:
            oldest.abort()
