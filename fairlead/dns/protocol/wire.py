"""DNS messages as bytes (RFC 1035, 3597, 6891). Bytes in, bytes out; independent of sockets and of the cluster.

Names are kept in wire form, lower-cased: length bytes are below 64, so `bytes.lower` never changes one. The
question is returned as it was asked, as clients require that mix case against forgery.

Rejected: dnspython and dnslib, which need 60 to 116 µs a message.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from fairlead.base.dataclass import dataclass

A, NS, CNAME, SOA, PTR, HINFO, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 13, 16, 28, 33, 41, 255
AXFR, IXFR = 252, 251
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
QR, AA, TC, RD, RA, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
TYPE_NAMES = {
    A: "A", NS: "NS", CNAME: "CNAME", SOA: "SOA", PTR: "PTR", 15: "MX", TXT: "TXT", AAAA: "AAAA", SRV: "SRV",
    35: "NAPTR", 43: "DS", 46: "RRSIG", 48: "DNSKEY", 64: "SVCB", 65: "HTTPS", ANY: "ANY",
}  # fmt: skip
RCODE_NAMES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS"}

PLAIN_SIZE = 512
EDNS_SIZE = 1232
"""Bytes that pass any path unfragmented (DNS flag day 2020)."""
STREAM_SIZE = 65535
MAX_NAME = 255
MAX_LABEL = 63
HEADER = struct.Struct("!HHHHHH")
QNAME = b"\xc0\x0c"
"""A pointer to the name in the question."""
_RR = struct.Struct("!HHIH")
_OPT_SIZE = 11


class Malformed(Exception):
    """A message that cannot be answered. `rcode` is the error to send, None if no answer should be sent."""

    def __init__(self, rcode: int | None) -> None:
        super().__init__(rcode)
        self.rcode = rcode


class Query(NamedTuple):
    id: int
    flags: int
    name: bytes
    """In wire form, lower-cased."""
    type: int
    question: bytes
    """Name as asked, type, class."""
    edns: bool
    size: int
    """The largest UDP answer that the client accepts, in bytes."""
    dnssec: bool

    @property
    def key(self) -> bytes:
        return self.question[:-4].lower() + self.question[-4:]


class Record(NamedTuple):
    owner: bytes
    """In wire form; empty for the queried name."""
    type: int
    ttl: int
    rdata: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    rcode: int = NOERROR
    records: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    chase: bytes = b""
    """Target of a CNAME that is still to be looked up for the queried type."""


def encode_name(text: str) -> bytes:
    """Returns the wire form of a dotted name, in lower case. Raises ValueError if the name is invalid."""
    text = text.removesuffix(".").lower()
    labels = [label.encode("latin-1") for label in text.split(".")] if text else []
    if not all(0 < len(label) <= MAX_LABEL for label in labels):
        raise ValueError(f"not a domain name: {text!r}")
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(wire) > MAX_NAME:
        raise ValueError(f"longer than a domain name can be: {text!r}")
    return wire


def split_name(wire: bytes) -> list[str]:
    """Returns the labels of a name in wire form (without pointers)."""
    labels, at = [], 0
    while length := wire[at]:
        labels.append(wire[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    return labels


def render_name(wire: bytes) -> str:
    return ".".join(split_name(wire)) + "."


def pack_address(text: str) -> bytes:
    """Returns four or sixteen bytes. Raises ValueError."""
    if ":" in text:
        from ipaddress import IPv6Address  # an IPv4 cluster never loads it

        return IPv6Address(text).packed
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"not an IP address: {text!r}")
    return bytes(map(int, parts))


def render_address(packed: bytes) -> str:
    if len(packed) == 4:
        return ".".join(map(str, packed))
    from ipaddress import IPv6Address

    return str(IPv6Address(packed))


def parse_query(data: bytes) -> Query:
    """Parses a query. Raises Malformed."""
    if len(data) < HEADER.size:
        raise Malformed(None)
    ident, flags, questions, answers, authorities, additionals = HEADER.unpack_from(data)
    if flags & QR:
        raise Malformed(None)  # answering an answer could loop
    if flags & 0x7800:
        raise Malformed(NOTIMP)
    if questions != 1 or answers or authorities or additionals > 2:
        raise Malformed(FORMERR)
    end = _question_end(data)
    edns, size, dnssec = False, PLAIN_SIZE, False
    at = end
    for _ in range(additionals):
        at, opt = _additional(data, at)
        if opt is not None:
            if edns:
                raise Malformed(FORMERR)
            edns = True
            size, extended = opt
            if extended & 0xFF0000:
                raise Malformed(BADVERS)
            dnssec = bool(extended & 0x8000)
    question = data[12:end]
    if question[-2:] != b"\0\1":
        raise Malformed(REFUSED)
    kind = question[-4] << 8 | question[-3]
    return Query(
        ident, flags, question[:-4].lower(), kind, question, edns, min(max(size, PLAIN_SIZE), EDNS_SIZE), dnssec
    )


def _question_end(data: bytes) -> int:
    at = 12
    try:
        while length := data[at]:
            if length > MAX_LABEL:
                raise Malformed(FORMERR)
            at += 1 + length
    except IndexError:
        raise Malformed(FORMERR) from None
    end = at + 5
    if end > len(data) or at + 1 - 12 > MAX_NAME:
        raise Malformed(FORMERR)
    return end


def _additional(data: bytes, at: int) -> tuple[int, tuple[int, int] | None]:
    """Skips one record and returns its end; for OPT also its payload size and extended flags."""
    start = skip_name(data, at)
    if start + _RR.size > len(data):
        raise Malformed(FORMERR)
    kind, size, extended, length = _RR.unpack_from(data, start)
    end = start + _RR.size + length
    if end > len(data):
        raise Malformed(FORMERR)
    if kind != OPT:
        return end, None
    if start != at + 1:
        raise Malformed(FORMERR)  # OPT belongs to the root
    return end, (size, extended)


def skip_name(data: bytes, at: int) -> int:
    """Returns the end of a name that may end in a pointer."""
    try:
        while length := data[at]:
            if length >= 0xC0:
                return at + 2
            if length > MAX_LABEL:
                raise Malformed(FORMERR)
            at += 1 + length
    except IndexError:
        raise Malformed(FORMERR) from None
    return at + 1


def make_query(ident: int, question: bytes, *, flags: int = RD, dnssec: bool = False) -> bytes:
    """Renders a query with OPT for an upstream."""
    return HEADER.pack(ident, flags, 1, 0, 0, 1) + question + opt(dnssec=dnssec)


def opt(*, dnssec: bool = False, rcode: int = NOERROR) -> bytes:
    return b"\0" + _RR.pack(OPT, EDNS_SIZE, (rcode >> 4) << 24 | (0x8000 if dnssec else 0), 0)


def render_error(data: bytes, rcode: int) -> bytes:
    """Renders an error answer to a malformed query: header and rcode, with the question if it is complete."""
    ident, flags, questions, *_ = HEADER.unpack_from(data)
    question = b""
    if questions == 1:
        try:
            question = data[12 : _question_end(data)]
        except Malformed:
            question = b""
    extra = opt(rcode=rcode) if rcode > 15 else b""
    head = QR | (flags & (0x7800 | RD)) | (rcode & 15)
    return HEADER.pack(ident, head, 1 if question else 0, 0, 0, 1 if extra else 0) + question + extra


def pack_record(record: Record, question: bytes) -> bytes:
    owner = compress(record.owner, question) if record.owner else QNAME
    return owner + _RR.pack(record.type, IN, record.ttl, len(record.rdata)) + record.rdata


def compress(name: bytes, question: bytes) -> bytes:
    """Returns the name with the longest tail that it shares with the question's name replaced by a pointer."""
    asked = question[:-4].lower()
    at = 0
    while name[at]:
        tail = name[at:]
        if asked.endswith(tail):
            offset = len(asked) - len(tail)
            if _is_boundary(asked, offset):
                return name[:at] + (0xC00C + offset).to_bytes(2, "big")
        at += 1 + name[at]
    return name


def _is_boundary(name: bytes, offset: int) -> bool:
    at = 0
    while at < offset:
        at += 1 + name[at]
    return at == offset


def render(query: Query, answer: Answer, *, limit: int, authoritative: bool = True, shift: int = 0) -> bytes:
    """Renders the whole message. If it exceeds `limit`, additional records are dropped first; then answers, and TC
    is set."""
    question = query.question
    records = [pack_record(record, question) for record in answer.records]
    if shift and len(records) > 1:
        turn = shift % len(records)
        records = records[turn:] + records[:turn]
    authority = [pack_record(record, question) for record in answer.authority]
    extra = opt(dnssec=query.dnssec, rcode=answer.rcode) if query.edns else b""
    room = limit - HEADER.size - len(question) - len(extra) - sum(map(len, authority))
    kept = _fitting(records, room)
    flags = QR | RA | (query.flags & (RD | CD)) | (answer.rcode & 15) | (AA if authoritative else 0)
    additional: list[bytes] = []
    if len(kept) < len(records):
        flags |= TC
    else:
        room -= sum(map(len, kept))
        additional = _fitting([pack_record(record, question) for record in answer.additional], room)
    counts = (1, len(kept), len(authority), len(additional) + (1 if extra else 0))
    return b"".join((HEADER.pack(query.id, flags, *counts), question, *kept, *authority, *additional, extra))


def _fitting(records: Sequence[bytes], room: int) -> list[bytes]:
    kept = []
    for record in records:
        room -= len(record)
        if room < 0:
            break
        kept.append(record)
    return kept
