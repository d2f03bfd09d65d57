"""One question of a client about the addresses of a name, and what the answer says. Pure."""

from __future__ import annotations

import struct
from typing import NamedTuple

from fairlead.dns.protocol.message import answer_records, parse_reply
from fairlead.dns.protocol.wire import encode_name, make_query, render_address, render_name

A, AAAA, CNAME, IN = 1, 28, 5, 1
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_AUTHORITATIVE = 0x0400


class Addresses(NamedTuple):
    """The answer of a server."""

    rcode: str
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    authoritative: bool = False
    """The server answered from one of its zones, and asked no other server."""


def make_question(name: str, kind: int, ident: int) -> bytes:
    """Returns the message that asks for addresses of an absolute name. Raises ValueError if the name is invalid."""
    return make_query(ident, _key(name, kind))


def read_addresses(raw: bytes, name: str, kind: int, ident: int) -> Addresses:
    """Returns what a message answers to the question. Raises Malformed."""
    key = _key(name, kind)
    reply = parse_reply(raw, ident, key)
    records = answer_records(reply, key, age_s=0)
    return Addresses(
        RCODES.get(reply.rcode, str(reply.rcode)),
        tuple(render_name(one.rdata).rstrip(".") for one in records if one.type == CNAME),
        tuple(render_address(one.rdata) for one in records if one.type in (A, AAAA)),
        bool(struct.unpack_from(">H", raw, 2)[0] & _AUTHORITATIVE),
    )


def _key(name: str, kind: int) -> bytes:
    return encode_name(name) + struct.pack(">HH", kind, IN)
