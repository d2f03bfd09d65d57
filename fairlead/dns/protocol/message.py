"""Answers of other name servers: checks them, removes OPT and updates their TTLs. Bytes in, bytes out.

A `Reply` keeps everything after the question except OPT, with the offsets of the TTLs. OPT is dropped together with
the records after it: these are additional records, on which no client relies.
"""

from __future__ import annotations

import struct

from fairlead.base.dataclass import dataclass
from fairlead.dns.protocol.wire import (
    AA,
    AAAA,
    CNAME,
    HEADER,
    NXDOMAIN,
    OPT,
    QR,
    RA,
    SOA,
    TC,
    A,
    Malformed,
    Query,
    Record,
    opt,
    skip_name,
)

_FIXED = struct.Struct("!HHIH")
_U32 = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Reply:
    """One message from upstream. `ttl`: seconds for which it may be cached, 0 if it may not be cached."""

    flags: int
    counts: tuple[int, int, int]
    body: bytes
    offsets: tuple[int, ...]
    """Offsets of the TTLs in `body`."""
    ttl: int
    negative: bool

    @property
    def rcode(self) -> int:
        return self.flags & 15

    @property
    def truncated(self) -> bool:
        return bool(self.flags & TC)


@dataclass(slots=True)
class _Walk:
    at: int
    counts: list[int]
    offsets: list[int]
    ttls: list[int]
    soa: int | None = None
    aliases: int = 0


def parse_reply(data: bytes, ident: int, key: bytes) -> Reply:
    """Parses an answer. Raises Malformed if it does not answer this question (lower-cased name, type, class)."""
    if len(data) < HEADER.size:
        raise Malformed(None)
    received, flags, questions, *sections = HEADER.unpack_from(data)
    start = 12 + len(key)
    if received != ident or not flags & QR or questions != 1:
        raise Malformed(None)
    if data[12 : start - 4].lower() + data[start - 4 : start] != key:
        raise Malformed(None)
    walk = _Walk(start, [0, 0, 0], [], [])
    end = _walk(data, walk, sections)
    negative = flags & 15 == NXDOMAIN or walk.counts[0] == walk.aliases
    ttl = min(walk.ttls, default=0)
    if negative:
        ttl = min(ttl, walk.soa) if walk.soa is not None else 0
    if flags & TC or flags & 15 not in (0, NXDOMAIN):
        ttl = 0
    return Reply(
        flags & ~AA,
        (walk.counts[0], walk.counts[1], walk.counts[2]),
        data[start:end],
        tuple(walk.offsets),
        ttl,
        negative,
    )


def _walk(data: bytes, walk: _Walk, sections: list[int]) -> int:
    """Collects offset and TTL of each record; returns the end of the part that is kept."""
    start = walk.at
    for section, count in enumerate(sections):
        for _ in range(count):
            fixed = skip_name(data, walk.at)
            if fixed + _FIXED.size > len(data):
                raise Malformed(None)
            kind, _, ttl, length = _FIXED.unpack_from(data, fixed)
            end = fixed + _FIXED.size + length
            if end > len(data):
                raise Malformed(None)
            if kind == OPT:
                return walk.at
            walk.counts[section] += 1
            walk.offsets.append(fixed + 4 - start)
            walk.ttls.append(ttl if ttl < 0x80000000 else 0)
            if section == 0 and kind == CNAME:
                walk.aliases += 1
            if section == 1 and kind == SOA and length >= 20:
                walk.soa = _U32.unpack_from(data, end - 4)[0]
            walk.at = end
    return walk.at


def render_reply(reply: Reply, query: Query, *, age_s: int, limit: int) -> bytes:
    """Renders the reply for one client: its id, the question as it spelled it, TTLs reduced by the age. If the
    message exceeds `limit`, it has no records and TC is set."""
    body: bytes | bytearray = reply.body
    if age_s > 0 and reply.offsets:
        body = bytearray(body)
        for offset in reply.offsets:
            left = max(0, _U32.unpack_from(body, offset)[0] - age_s)
            _U32.pack_into(body, offset, left)
    extra = opt(dnssec=query.dnssec) if query.edns else b""
    flags = (reply.flags & ~0x7810) | QR | RA | (query.flags & 0x0110)
    counts = reply.counts
    if HEADER.size + len(query.question) + len(body) + len(extra) > limit:
        flags, body, counts = flags | TC, b"", (0, 0, 0)
    an, ns, ar = counts
    return HEADER.pack(query.id, flags, 1, an, ns, ar + (1 if extra else 0)) + query.question + body + extra


def answer_records(reply: Reply, key: bytes, *, age_s: int) -> list[Record]:
    """Returns the answers with uncompressed names, also inside CNAMEs, so that they fit into another message. Other
    types that may have pointers in their data are left out: only addresses are ever chased."""
    data = bytes(12) + key + reply.body
    records, at = [], 12 + len(key)
    for _ in range(reply.counts[0]):
        owner = expand(data, at)
        fixed = skip_name(data, at)
        kind, _, ttl, length = _FIXED.unpack_from(data, fixed)
        at = fixed + _FIXED.size
        if kind == CNAME:
            records.append(Record(owner, kind, max(0, ttl - age_s), expand(data, at)))
        elif kind in (A, AAAA):
            records.append(Record(owner, kind, max(0, ttl - age_s), data[at : at + length]))
        at += length
    return records


def expand(data: bytes, at: int) -> bytes:
    """Returns a name with its pointers resolved. Raises Malformed if a pointer is invalid or loops."""
    name, jumps = b"", 0
    try:
        while length := data[at]:
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | data[at + 1]
                jumps += 1
                if target >= at or jumps > 40:
                    raise Malformed(None)
                at = target
                continue
            name += data[at : at + 1 + length]
            at += 1 + length
            if length > 63 or len(name) > 254:
                raise Malformed(None)
    except IndexError:
        raise Malformed(None) from None
    return name + b"\0"
