"""Answers from upstream, kept as long as they may be, and never more of them than allowed. Pure: time is handed in."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.dns.message import Reply

Key = tuple[bytes, bool]
"""The question (lower-cased name, type, class), and whether signatures were wanted."""
_MOST_BYTES = 4096
"""A longer answer is not kept: the bound is on entries, so entries must be bounded."""


@dataclass(frozen=True, slots=True)
class Kept:
    reply: Reply
    at: float
    until: float

    def age_s(self, now: float) -> int:
        return max(0, int(now - self.at))


class Cache:
    """The oldest entry makes room. `ttl_s` and `negative_ttl_s` cap what upstream says."""

    def __init__(self, *, size: int, ttl_s: int, negative_ttl_s: int) -> None:
        self._size = size
        self._ttl_s = ttl_s
        self._negative_ttl_s = negative_ttl_s
        self._kept: dict[Key, Kept] = {}
        self._negative: dict[Key, Kept] = {}

    def get(self, key: Key, now: float) -> Kept | None:
        for part in (self._kept, self._negative):
            found = part.get(key)
            if found is not None:
                if found.until > now:
                    return found
                del part[key]
        return None

    def put(self, key: Key, reply: Reply, now: float) -> None:
        """Positive and negative ones have room of their own, so that a flood of wrong names evicts no right one."""
        part, most = (self._negative, self._negative_ttl_s) if reply.negative else (self._kept, self._ttl_s)
        ttl = min(reply.ttl, most)
        if ttl <= 0 or self._size <= 0 or len(reply.body) > _MOST_BYTES:
            return
        part.pop(key, None)
        while len(part) >= self._size:
            del part[next(iter(part))]
        part[key] = Kept(reply, now, now + ttl)

    def counts(self) -> tuple[int, int]:
        """Entries that exist: positive, negative."""
        return len(self._kept), len(self._negative)
