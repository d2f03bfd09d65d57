"""Bounded cache of upstream answers, each kept for at most its TTL. Pure: the time is a parameter."""

from __future__ import annotations

from fairlead.base.dataclass import dataclass
from fairlead.dns.protocol.message import Reply, render_reply
from fairlead.dns.protocol.wire import PLAIN_SIZE, RD, Query

Key = tuple[bytes, bool]
"""The question (lower-cased name, type, class), and the DO bit (DNSSEC)."""
_OPT_BYTES = 11
_MOST_BYTES = 4096
"""Longer answers are not cached."""
_MEAN_BYTES = 512
"""Bytes. The average exceeds this only if a client tries to fill the memory."""


@dataclass(slots=True)
class CacheEntry:
    reply: Reply
    at: float
    until: float
    packed: bytes = b""
    """In the form of `Zone.hot`, with the TTLs at an age of `packed_s` seconds; empty if it is too long."""
    packed_s: int = -1

    def age_s(self, now: float) -> int:
        return max(0, int(now - self.at))


class _Part:
    """Entries with a bound on their number and on their bytes; the oldest is evicted first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.bytes = 0
        self.evictions = 0
        self.entries: dict[Key, CacheEntry] = {}

    def drop(self, key: Key) -> None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.bytes -= len(entry.reply.body)

    def put(self, key: Key, kept: CacheEntry) -> None:
        self.drop(key)
        room = self._size * _MEAN_BYTES - len(kept.reply.body)
        while self.entries and (len(self.entries) >= self._size or self.bytes > room):
            self.drop(next(iter(self.entries)))
            self.evictions += 1
        self.entries[key] = kept
        self.bytes += len(kept.reply.body)


class Cache:
    """Cache of `size` positive and `size` negative answers. `ttl_s` and `negative_ttl_s` cap the upstream's TTL."""

    def __init__(self, *, size: int, ttl_s: int, negative_ttl_s: int) -> None:
        self._size = size
        self._ttl_s = ttl_s
        self._negative_ttl_s = negative_ttl_s
        self._kept = _Part(size)
        self._negative = _Part(size)

    def get(self, key: Key, now: float) -> CacheEntry | None:
        for part in (self._kept, self._negative):
            entry = part.entries.get(key)
            if entry is not None:
                if entry.until > now:
                    return entry
                part.drop(key)
        return None

    def packed(self, question: bytes, now: float) -> bytes | None:
        """Returns the answer for the fast path, or None: flags and counts, then the bytes after the question. TTLs
        are updated once a second, not once a query."""
        kept = self._kept.entries.get((question, False))
        if kept is None or kept.until <= now:
            return None
        age = int(now - kept.at)
        if age != kept.packed_s:
            kept.packed, kept.packed_s = _pack(kept.reply, question, age), age
        return kept.packed or None

    def put(self, key: Key, reply: Reply, now: float) -> None:
        """Adds an answer. Negative answers have a separate bound, so a flood of wrong names evicts no positive
        answer."""
        part, most = (self._negative, self._negative_ttl_s) if reply.negative else (self._kept, self._ttl_s)
        ttl = min(reply.ttl, most)
        if ttl <= 0 or self._size <= 0 or len(reply.body) > _MOST_BYTES:
            return
        part.put(key, CacheEntry(reply, now, now + ttl))

    def counts(self) -> tuple[int, int]:
        """Returns the numbers of entries: positive, negative."""
        return len(self._kept.entries), len(self._negative.entries)

    def evictions(self) -> tuple[int, int]:
        """Returns the numbers of evictions so far: positive, negative."""
        return self._kept.evictions, self._negative.evictions

    def size_bytes(self) -> int:
        """Returns the bytes of all cached answers in the upstream's form."""
        return self._kept.bytes + self._negative.bytes


def _pack(reply: Reply, question: bytes, age_s: int) -> bytes:
    query = Query(0, RD, b"", 0, question, False, 0, False)
    said = render_reply(reply, query, age_s=age_s, limit=PLAIN_SIZE - _OPT_BYTES)
    return b"" if said[2] & 2 else said[2:12] + said[12 + len(question) :]
