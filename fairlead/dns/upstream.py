"""Asks other name servers: UDP first, TCP where an answer was cut, the next one where nobody answers.

The same question is asked once, however many wait for it. Ids are random, and so are the ports: a few sockets for each
upstream, each replaced after some hundred questions. Sockets come from a `Dialer`, because whoever has the cluster's
network has no way outside.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.dns.cache import Key
from fairlead.dns.config import HOST, split_upstream
from fairlead.dns.forward import Healths
from fairlead.dns.message import Reply, parse_reply
from fairlead.dns.metrics import Metrics
from fairlead.dns.wire import REFUSED, SERVFAIL, Malformed, make_query

MOST_WAITING = 1000
_SOCKETS = 4
_USES = 512
_MOST_ATTEMPTS = 4
_REPLY_BYTES = 8192


class Dialer(Protocol):
    """Makes connected, non-blocking sockets to an upstream. Raises OSError."""

    async def udp(self, upstream: str) -> socket.socket: ...

    async def tcp(self, upstream: str) -> socket.socket: ...


class DirectDialer:
    """Connects itself; `host` is where the outside can be asked from here (empty: nowhere)."""

    def __init__(self, host: str) -> None:
        self._host = host

    async def udp(self, upstream: str) -> socket.socket:
        return await self._connect(upstream, socket.SOCK_DGRAM)

    async def tcp(self, upstream: str) -> socket.socket:
        return await self._connect(upstream, socket.SOCK_STREAM)

    async def _connect(self, upstream: str, kind: socket.SocketKind) -> socket.socket:
        name = self._host if upstream == HOST else upstream
        if not name:
            raise ConnectionRefusedError("there is no way outside")
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
class Patience:
    """Seconds that one upstream gets for one attempt."""

    host_s: float = 4.5
    """`host` tries several by itself."""
    other_s: float = 1.0

    def of(self, upstream: str) -> float:
        return self.host_s if upstream == HOST else self.other_s


class _Line:
    """One UDP socket to one upstream, and who waits at it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.uses = 0
        self.waiting: dict[int, tuple[bytes, asyncio.Future[Reply]]] = {}
        asyncio.get_running_loop().add_reader(sock.fileno(), self._read)

    def _read(self) -> None:
        while True:
            try:
                data = self.sock.recv(_REPLY_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                for _, future in self.waiting.values():
                    if not future.done():
                        future.set_exception(error)
                return
            held = self.waiting.get(int.from_bytes(data[:2], "big"))
            if held is None or held[1].done():
                continue
            try:
                held[1].set_result(parse_reply(data, int.from_bytes(data[:2], "big"), held[0]))
            except Malformed:
                continue  # forged, or late: the right one may still come

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        self.sock.close()


class Upstreams:
    """Implements `resolver.Forwarder`. Works while inside `async with nursery`."""

    def __init__(  # noqa: PLR0913 -- all but one are by keyword
        self, nursery: Nursery, *, dialer: Dialer, metrics: Metrics, clock: Clock, rng: random.Random, log: Log,
        patience: Patience,
    ) -> None:  # fmt: skip
        self._nursery = nursery
        self._dialer = dialer
        self._metrics = metrics
        self._clock = clock
        self._rng = rng
        self._log = log
        self._patience = patience
        self._healths = Healths()
        self._lines: dict[str, list[_Line]] = {}
        self._asking: dict[tuple[Key, int], list[Callable[[Reply | None], object]]] = {}

    def ask(self, key: Key, upstreams: Sequence[str], done: Callable[[Reply | None], object], *, flags: int) -> None:
        waiting = self._asking.get((key, flags))
        if waiting is not None:
            if len(waiting) < MOST_WAITING:
                waiting.append(done)
            return
        if len(self._asking) >= MOST_WAITING:
            self._metrics.forward_full += 1
            done(None)
            return
        self._asking[key, flags] = [done]
        self._nursery.spawn(self._settle(key, tuple(upstreams), flags))

    async def _settle(self, key: Key, upstreams: Sequence[str], flags: int) -> None:
        reply = None
        try:
            reply = await self._resolve(key, upstreams, flags)
        finally:
            for done in self._asking.pop((key, flags)):
                done(reply)

    async def _resolve(self, key: Key, upstreams: Sequence[str], flags: int) -> Reply | None:
        now = self._clock.monotonic()
        order = self._healths.order(upstreams, now)
        self._metrics.forward_broken += all(self._healths.is_down(upstream, now) for upstream in order)
        attempts = order if HOST in order else order * 2
        last = None
        for upstream in attempts[:_MOST_ATTEMPTS]:
            began = self._clock.monotonic()
            try:
                async with asyncio.timeout(self._patience.of(upstream)):
                    reply = await self._once(key, upstream, flags)
            except (OSError, Malformed) as error:  # TimeoutError is an OSError
                self._metrics.forward_failed(upstream)
                if self._healths.failed(upstream, self._clock.monotonic()):
                    self._log.warn("upstream does not answer", upstream=upstream, error=repr(error))
                continue
            self._healths.succeeded(upstream)
            self._metrics.forward(upstream, reply.rcode, self._clock.monotonic() - began)
            if reply.rcode not in (SERVFAIL, REFUSED):
                return reply
            last = reply
            if upstream == order[-1]:
                break
        return last

    async def _once(self, key: Key, upstream: str, flags: int) -> Reply:
        line = await self._line(upstream)
        ident = self._rng.getrandbits(16)
        while ident in line.waiting:
            ident = self._rng.getrandbits(16)
        question, dnssec = key
        query = make_query(ident, question, flags=flags, dnssec=dnssec)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        line.waiting[ident] = (question, future)
        reply = None
        try:
            line.sock.send(query)
            reply = await future
        finally:
            del line.waiting[ident]
            if reply is None:
                line.uses = _USES  # its address may be one that the host no longer has
            self._retire(upstream, line)
        return await self._over_tcp(upstream, query, ident, question) if reply.truncated else reply

    async def _line(self, upstream: str) -> _Line:
        lines = self._lines.setdefault(upstream, [])
        fresh = [line for line in lines if line.uses < _USES]
        kept = len(fresh) >= _SOCKETS
        self._metrics.socket_used(upstream, "udp", kept=kept)
        if not kept:
            line = _Line(await self._dialer.udp(upstream))
            lines.append(line)
        else:
            line = self._rng.choice(fresh)
        line.uses += 1
        return line

    def _retire(self, upstream: str, line: _Line) -> None:
        lines = self._lines[upstream]
        if line.uses >= _USES and not line.waiting and line in lines:
            lines.remove(line)
            line.close()

    async def _over_tcp(self, upstream: str, query: bytes, ident: int, question: bytes) -> Reply:
        loop = asyncio.get_running_loop()
        self._metrics.socket_used(upstream, "tcp", kept=False)
        with await self._dialer.tcp(upstream) as sock:
            await loop.sock_sendall(sock, len(query).to_bytes(2, "big") + query)
            length = int.from_bytes(await _exactly(sock, 2), "big")
            return parse_reply(await _exactly(sock, length), ident, question)

    def close(self) -> None:
        for lines in self._lines.values():
            for line in lines:
                line.close()
        self._lines.clear()


async def _exactly(sock: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    found = b""
    while len(found) < count:
        more = await loop.sock_recv(sock, count - len(found))
        if not more:
            raise ConnectionResetError("upstream closed in the middle of an answer")
        found += more
    return found
