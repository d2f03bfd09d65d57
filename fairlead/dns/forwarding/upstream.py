"""Asks other name servers: UDP first, TCP if an answer was truncated, the next server if one does not answer.

Equal queries are sent once and share the answer. Ids are random, and so are the ports: four sockets for each
upstream, each replaced after 512 queries. A first attempt that is answered costs no task: a sixth less CPU.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.dns.config import HOST
from fairlead.dns.forwarding.cache import Key
from fairlead.dns.forwarding.forward import Healths
from fairlead.dns.forwarding.lines import Dialer, Timeouts, UpstreamSocket, receive_exactly
from fairlead.dns.metrics import Metrics
from fairlead.dns.protocol.message import Reply, parse_reply
from fairlead.dns.protocol.wire import REFUSED, SERVFAIL, Malformed, make_query

MOST_WAITING = 1000
_SOCKETS = 4
_USES = 512
_MOST_ATTEMPTS = 4
_TICK_S = 0.05


@dataclass(slots=True, eq=False)
class _Quick:
    """A first attempt that needs no task: most queries need no second one."""

    key: Key
    flags: int
    upstream: str
    rest: list[str]
    """The upstreams to ask next."""
    line: UpstreamSocket
    ident: int
    began: float


class Upstreams:
    """Implements `resolver.Forwarder`. Works while inside `async with nursery`."""

    def __init__(  # noqa: PLR0913 -- all but one are by keyword
        self, nursery: Nursery, *, dialer: Dialer, metrics: Metrics, clock: Clock, rng: random.Random, log: Log,
        timeouts: Timeouts,
    ) -> None:  # fmt: skip
        self._nursery = nursery
        self._dialer = dialer
        self._metrics = metrics
        self._clock = clock
        self._rng = rng
        self._log = log
        self._timeouts = timeouts
        self._healths = Healths()
        self._lines: dict[str, list[UpstreamSocket]] = {}
        self._asking: dict[tuple[Key, int], list[Callable[[Reply | None], object]]] = {}
        self._quick: dict[_Quick, None] = {}

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
        now = self._clock.monotonic()
        order = self._healths.order(upstreams, now)
        self._metrics.forward_broken += all(self._healths.is_down(upstream, now) for upstream in order)
        attempts = (order if HOST in order else order * 2)[:_MOST_ATTEMPTS]
        if not self._try_quick(key, attempts, flags, now):
            self._nursery.spawn(self._flush(key, attempts, flags))

    def _done(self, key: Key, flags: int, reply: Reply | None) -> None:
        for done in self._asking.pop((key, flags)):
            done(reply)

    def _try_quick(self, key: Key, attempts: Sequence[str], flags: int, now: float) -> bool:
        """Sends the first attempt if enough sockets are open; otherwise returns False (opening a socket needs a
        task)."""
        upstream, *rest = attempts
        fresh = [line for line in self._lines.get(upstream, ()) if line.uses < _USES]
        if len(fresh) < _SOCKETS:
            return False
        line = fresh[self._rng.getrandbits(16) % len(fresh)]
        quick = _Quick(key, flags, upstream, rest, line, self._free_ident(line), now)
        try:
            line.sock.send(make_query(quick.ident, key[0], flags=flags, dnssec=key[1]))
        except OSError:
            return False
        line.uses += 1
        line.waiting[quick.ident] = (key[0], lambda heard: self._heard(quick, heard))
        self._metrics.socket_used(upstream, "udp", kept=True)
        if not self._quick:
            asyncio.get_running_loop().call_later(_TICK_S, self._tick)
        self._quick[quick] = None
        return True

    def _heard(self, quick: _Quick, heard: Reply | OSError) -> None:
        del quick.line.waiting[quick.ident], self._quick[quick]
        if isinstance(heard, OSError):
            quick.line.uses = _USES
        self._retire(quick.upstream, quick.line)
        key, flags = quick.key, quick.flags
        if isinstance(heard, OSError):
            self._failed(quick.upstream, heard)
            self._nursery.spawn(self._flush(key, quick.rest, flags))
        elif heard.truncated:
            self._nursery.spawn(self._flush(key, [quick.upstream, *quick.rest], flags, cut=True))
        else:
            self._succeeded(quick.upstream, heard, quick.began)
            if heard.rcode in (SERVFAIL, REFUSED) and any(other != quick.upstream for other in quick.rest):
                others = [other for other in quick.rest if other != quick.upstream]
                self._nursery.spawn(self._flush(key, others, flags, last=heard))
            else:
                self._done(key, flags, heard)

    def _tick(self) -> None:
        """Times out quick attempts."""
        now = self._clock.monotonic()
        for quick in [one for one in self._quick if now - one.began >= self._timeouts.of(one.upstream)]:
            self._heard(quick, TimeoutError())
        if self._quick:
            asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    async def _flush(
        self, key: Key, attempts: Sequence[str], flags: int, *, last: Reply | None = None, cut: bool = False
    ) -> None:
        """Asks the rest of the upstreams. `last`: the reply to use if no better one comes; `cut`: the first
        upstream's answer was truncated."""
        reply = last
        try:
            reply = await self._resolve(key, attempts, flags, last, cut)
        finally:
            self._done(key, flags, reply)

    async def _resolve(
        self, key: Key, attempts: Sequence[str], flags: int, last: Reply | None, cut: bool
    ) -> Reply | None:
        tried = set()
        for number, upstream in enumerate(attempts):
            if last is not None and upstream in tried:
                continue  # ask an upstream again only if none has answered
            tried.add(upstream)
            began = self._clock.monotonic()
            try:
                async with asyncio.timeout(self._timeouts.of(upstream)):
                    reply = await self._once(key, upstream, flags, cut=cut and not number)
            except (OSError, Malformed) as error:  # TimeoutError is an OSError
                self._failed(upstream, error)
                continue
            self._succeeded(upstream, reply, began)
            if reply.rcode not in (SERVFAIL, REFUSED):
                return reply
            last = reply
        return last

    def _succeeded(self, upstream: str, reply: Reply, began: float) -> None:
        self._healths.succeeded(upstream)
        self._metrics.forward(upstream, reply.rcode, self._clock.monotonic() - began)

    def _failed(self, upstream: str, error: Exception) -> None:
        self._metrics.forward_failed(upstream)
        if self._healths.failed(upstream, self._clock.monotonic()):
            self._log.warn("upstream does not answer", upstream=upstream, error=repr(error))

    def _free_ident(self, line: UpstreamSocket) -> int:
        ident = self._rng.getrandbits(16)
        while ident in line.waiting:
            ident = self._rng.getrandbits(16)
        return ident

    async def _once(self, key: Key, upstream: str, flags: int, *, cut: bool) -> Reply:
        """Asks one upstream once. `cut`: the answer does not fit UDP, so TCP is used at once."""
        question, dnssec = key
        if cut:
            ident = self._rng.getrandbits(16)
            return await self._over_tcp(
                upstream, make_query(ident, question, flags=flags, dnssec=dnssec), ident, question
            )
        line = await self._line(upstream)
        ident = self._free_ident(line)
        query = make_query(ident, question, flags=flags, dnssec=dnssec)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        line.waiting[ident] = (question, lambda heard: _give(future, heard))
        reply = None
        try:
            line.sock.send(query)
            reply = await future
        finally:
            del line.waiting[ident]
            if reply is None:
                line.uses = _USES  # the host may no longer have the socket's address
            self._retire(upstream, line)
        return await self._over_tcp(upstream, query, ident, question) if reply.truncated else reply

    async def _line(self, upstream: str) -> UpstreamSocket:
        lines = self._lines.setdefault(upstream, [])
        fresh = [line for line in lines if line.uses < _USES]
        kept = len(fresh) >= _SOCKETS
        self._metrics.socket_used(upstream, "udp", kept=kept)
        if not kept:
            line = UpstreamSocket(await self._dialer.udp(upstream))
            lines.append(line)
        else:
            line = self._rng.choice(fresh)
        line.uses += 1
        return line

    def _retire(self, upstream: str, line: UpstreamSocket) -> None:
        lines = self._lines[upstream]
        if line.uses >= _USES and not line.waiting and line in lines:
            lines.remove(line)
            line.close()

    async def _over_tcp(self, upstream: str, query: bytes, ident: int, question: bytes) -> Reply:
        loop = asyncio.get_running_loop()
        self._metrics.socket_used(upstream, "tcp", kept=False)
        with await self._dialer.tcp(upstream) as sock:
            await loop.sock_sendall(sock, len(query).to_bytes(2, "big") + query)
            length = int.from_bytes(await receive_exactly(sock, 2), "big")
            return parse_reply(await receive_exactly(sock, length), ident, question)

    def close(self) -> None:
        for lines in self._lines.values():
            for line in lines:
                line.close()
        self._lines.clear()
        self._quick.clear()


def _give(future: asyncio.Future[Reply], heard: Reply | OSError) -> None:
    if future.done():
        return
    if isinstance(heard, OSError):
        future.set_exception(heard)
    else:
        future.set_result(heard)
