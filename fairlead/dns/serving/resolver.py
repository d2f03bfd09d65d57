"""Answers one query: from the `hosts` setting and the cluster first, then from the cache, then from upstream.

`ask` answers at once if it can; otherwise it returns None and calls `send` later. If a query raises an unexpected
error, the client gets SERVFAIL and the server continues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass, replace
from fairlead.base.log import Log
from fairlead.dns.forwarding.cache import Cache, CacheEntry, Key
from fairlead.dns.forwarding.forward import choose
from fairlead.dns.metrics import Metrics
from fairlead.dns.protocol.message import Reply, answer_records, render_reply
from fairlead.dns.protocol.wire import (
    AAAA,
    CD,
    NXDOMAIN,
    PLAIN_SIZE,
    REFUSED,
    SERVFAIL,
    STREAM_SIZE,
    TYPE_NAMES,
    A,
    Answer,
    Malformed,
    Query,
    opt,
    parse_query,
    render,
    render_error,
    render_name,
)
from fairlead.dns.zones.answer import answer
from fairlead.dns.zones.rotation import Rotation
from fairlead.dns.zones.zone import FLAGS, Zone, pack_hot

MOST_ALIASES = 8
_OPT_BYTES = 11
_COUNTED = FLAGS.to_bytes(2, "big")

Send = Callable[[bytes], object]


class Forwarder(Protocol):
    def ask(self, key: Key, upstreams: Sequence[str], done: Callable[[Reply | None], object], *, flags: int) -> None:
        """Calls `done` once, possibly before returning; with None if no upstream answered."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """A query in progress."""

    query: Query
    limit: int
    began: float
    size: int
    protocol: str
    peer: str
    send: Send


class Resolver:
    def __init__(
        self, zone: Zone, *, cache: Cache, forwarder: Forwarder, metrics: Metrics, clock: Clock, log: Log
    ) -> None:
        self.zone = zone
        self.cache = cache
        self.metrics = metrics
        self.clock = clock
        self.ready = False
        """False until the cluster has been listed: before that, NXDOMAIN could be wrong."""
        self._forwarder = forwarder
        self._log = log
        self._shift = 0

    def ask(self, data: bytes, send: Send, *, protocol: str, peer: str) -> bytes | None:
        """Returns the answer, or None if there is no answer or `send` is called later. `peer` is the client's
        address."""
        began = self.clock.monotonic()
        try:
            return self._ask(data, send, protocol, peer, began)
        except Malformed as error:
            if error.rcode is None:
                return None
            said = render_error(data, error.rcode)
            self.metrics.answered(protocol, error.rcode, "", len(said), self.clock.monotonic() - began)
            return said
        except Exception as error:  # noqa: BLE001 -- the guard: no packet may stop the server
            self.metrics.panics += 1
            self._log.error("a query failed", error=repr(error), query=data[:300].hex())
            return render_error(data, SERVFAIL)

    def _ask(self, data: bytes, send: Send, protocol: str, peer: str, began: float) -> bytes | None:
        query = parse_query(data)
        family = "2" if ":" in peer else "1"
        self.metrics.asked(protocol, family, query.type, len(data), dnssec=query.dnssec)
        limit = query.size if protocol == "udp" else STREAM_SIZE
        ask = Ask(query, limit, began, len(data), protocol, peer, send)
        if not self.ready:
            return self._done(ask, render(query, Answer(SERVFAIL), limit=limit, authoritative=False), SERVFAIL, "")
        hot = self.zone.hot.get(query.key)
        if hot is not None:
            return self._done(ask, render_hot(query, hot, limit), 0, "kubernetes")
        ours = answer(query, self.zone)
        if ours is None:
            return self._other(ask)
        if ours.chase:
            return self._chase(ask, ours, 0)
        self._keep(query, ours)
        self._shift += 1
        said = render(query, ours, limit=limit, shift=self._shift)
        return self._done(ask, said, ours.rcode, "hosts" if query.name in self.zone.config.hosts else "kubernetes")

    def _done(self, ask: Ask, said: bytes, rcode: int, part: str) -> bytes:
        took = self.clock.monotonic() - ask.began
        self.metrics.answered(ask.protocol, rcode, part, len(said), took)
        if self.zone.config.log:
            query = ask.query
            self._log.info(
                "query",
                client=ask.peer,
                name=render_name(query.name),
                type=TYPE_NAMES.get(query.type, query.type),
                proto=ask.protocol,
                rcode=rcode,
                bytes=len(said),
                ms=f"{took * 1000:.3f}",
            )
        return said

    def _keep(self, query: Query, ours: Answer) -> None:
        """Keeps small positive answers packed for later queries, except those to unusual types."""
        if ours.rcode or query.dnssec or query.type not in TYPE_NAMES:
            return
        plain = query._replace(id=0, flags=0x0100, edns=False, question=query.key)
        said = render(plain, ours, limit=PLAIN_SIZE - _OPT_BYTES)
        if said[2:4] == _COUNTED:
            start = 12 + len(query.question)
            if len(ours.records) > 1:
                records = _records_of(said, start, len(ours.records))
                if records:
                    self.zone.cache_answer(query.key, pack_hot(query.key, records))
                return
            self.zone.cache_answer(query.key, said[2:12] + said[start:])

    def _other(self, ask: Ask) -> bytes | None:
        config = self.zone.config
        upstreams = choose(ask.query.name, config.stubs, config.upstreams)
        if not upstreams:
            return self._done(
                ask, render(ask.query, Answer(REFUSED), limit=ask.limit, authoritative=False), REFUSED, ""
            )
        return self._look_up(ask, ask.query, upstreams, lambda kept: self._forwarded(ask, kept))

    def _look_up(
        self, ask: Ask, query: Query, upstreams: Sequence[str], use: Callable[[CacheEntry | None], bytes]
    ) -> bytes | None:
        """Returns `use(answer)` if the answer is cached; otherwise asks upstream, sends `use(answer)` later and
        returns None."""
        key = (query.key, query.dnssec)
        checking = query.flags & CD  # an unchecked answer must not go to other clients
        kept = None if checking else self.cache.get(key, self.clock.monotonic())
        if kept is not None:
            self.metrics.cache_hits["denial" if kept.reply.negative else "success"] += 1
            return use(kept)
        self.metrics.cache_misses += 1

        def done(reply: Reply | None) -> None:
            now = self.clock.monotonic()
            if reply is not None and not checking:
                self.cache.put(key, reply, now)
            ask.send(use(None if reply is None else CacheEntry(reply, now, now)))

        self._forwarder.ask(key, upstreams, done, flags=0x0100 | checking)
        return None

    def _forwarded(self, ask: Ask, kept: CacheEntry | None) -> bytes:
        if kept is None:
            said = render(ask.query, Answer(SERVFAIL), limit=ask.limit, authoritative=False)
            return self._done(ask, said, SERVFAIL, "forward")
        age = kept.age_s(self.clock.monotonic())
        said = render_reply(kept.reply, ask.query, age_s=age, limit=ask.limit)
        return self._done(ask, said, kept.reply.rcode, "forward")

    def _chase(self, ask: Ask, alias: Answer, depth: int) -> bytes | None:
        """Resolves the target of a CNAME: in the cluster at once, outside through upstream. Answers with the CNAME
        alone if the target cannot be asked for."""
        key = alias.chase + ask.query.question[-4:]
        target = ask.query._replace(name=alias.chase, question=key, dnssec=False)
        inside = answer(target, self.zone)
        if inside is not None:
            own = tuple(r if r.owner else r._replace(owner=alias.chase) for r in inside.records)
            joined = replace(alias, records=alias.records + own, authority=inside.authority, chase=inside.chase)
            joined = replace(joined, rcode=inside.rcode if inside.rcode == NXDOMAIN else 0)
            if inside.chase and depth < MOST_ALIASES:
                return self._chase(ask, joined, depth + 1)
            return self._said(ask, joined)
        config = self.zone.config
        upstreams = choose(target.name, config.stubs, config.upstreams)
        if not upstreams or ask.query.type not in (A, AAAA):
            return self._said(ask, alias)
        return self._look_up(ask, target, upstreams, lambda kept: self._joined(ask, alias, kept))

    def _joined(self, ask: Ask, alias: Answer, kept: CacheEntry | None) -> bytes:
        if kept is None:
            return self._said(ask, replace(alias, rcode=SERVFAIL, records=()))
        age = kept.age_s(self.clock.monotonic())
        more = tuple(answer_records(kept.reply, alias.chase + ask.query.question[-4:], age_s=age))
        rcode = NXDOMAIN if kept.reply.rcode == NXDOMAIN else 0
        return self._said(ask, replace(alias, rcode=rcode, records=alias.records + more))

    def _said(self, ask: Ask, ours: Answer) -> bytes:
        return self._done(ask, render(ask.query, ours, limit=ask.limit), ours.rcode, "kubernetes")


def render_hot(query: Query, hot: bytes | Rotation, limit: int) -> bytes:
    extra = opt(dnssec=query.dnssec) if query.edns else b""
    if isinstance(hot, bytes):
        head, body = hot[:10], hot[10:]
    else:
        head, body = hot.next_answer(limit, len(extra))
    flags = (int.from_bytes(head[:2], "big") & ~0x0100) | (query.flags & (0x0100 | CD))
    additional = int.from_bytes(head[8:10], "big") + (1 if extra else 0)
    return b"".join(
        (
            query.id.to_bytes(2, "big"),
            flags.to_bytes(2, "big"),
            head[2:8],
            additional.to_bytes(2, "big"),
            query.question,
            body,
            extra,
        )
    )


def _records_of(said: bytes, start: int, count: int) -> list[bytes]:
    """Returns the records of an answer if they all have one length and it has no other sections; else an empty
    list."""
    body = said[start:]
    if said[8:12] != b"\0\0\0\0" or len(body) % count:
        return []
    size = len(body) // count
    records = [body[i * size : (i + 1) * size] for i in range(count)]
    alike = all(r[:2] == b"\xc0\x0c" and int.from_bytes(r[10:12], "big") == size - 12 for r in records)
    return records if alike else []
