"""One question to one DNS server over UDP, and over TCP if the answer is too long. For commands that explain."""

from __future__ import annotations

import os
import socket
import struct
from typing import NamedTuple

from fairlead.dns.protocol.message import Reply, answer_records, parse_reply
from fairlead.dns.protocol.wire import Malformed, encode_name, make_query, render_address, render_name
from fairlead.explain.outcomes import ANSWERED, REFUSED, SILENT, UNREACHABLE

A, AAAA, CNAME, IN = 1, 28, 5, 1
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_AUTHORITATIVE = 0x0400
_MOST = 65535


class Answered(NamedTuple):
    """The answer to one question."""

    outcome: str
    rcode: str = ""
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    authoritative: bool = False
    """The server answered from one of its zones, and asked no other server."""


def ask(name: str, server: str, *, kind: int = A, timeout_s: float = 1.0, tries: int = 2) -> Answered:
    """Asks for addresses of an absolute name. Raises ValueError if the name is invalid."""
    key = encode_name(name) + struct.pack(">HH", kind, IN)
    ident = int.from_bytes(os.urandom(2), "big")
    query = make_query(ident, key)
    outcome = SILENT
    for _ in range(tries):
        try:
            raw = _exchange(query, server, timeout_s)
            reply = parse_reply(raw, ident, key)
        except TimeoutError:
            outcome = SILENT
        except ConnectionError:
            outcome = REFUSED
        except Malformed:
            return Answered(ANSWERED, "malformed")
        except OSError:
            return Answered(UNREACHABLE)
        else:
            authoritative = bool(struct.unpack_from(">H", raw, 2)[0] & _AUTHORITATIVE)
            return _read(reply, key, authoritative=authoritative)
    return Answered(outcome)


def _read(reply: Reply, key: bytes, *, authoritative: bool) -> Answered:
    records = answer_records(reply, key, age_s=0)
    return Answered(
        ANSWERED,
        RCODES.get(reply.rcode, str(reply.rcode)),
        tuple(render_name(one.rdata).rstrip(".") for one in records if one.type == CNAME),
        tuple(render_address(one.rdata) for one in records if one.type in (A, AAAA)),
        authoritative,
    )


def _exchange(query: bytes, server: str, timeout_s: float) -> bytes:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect((server, 53))
        sock.send(query)
        raw = sock.recv(_MOST)
    if not raw[2] & 2:  # not truncated
        return raw
    with socket.create_connection((server, 53), timeout_s) as stream:
        stream.sendall(struct.pack(">H", len(query)) + query)
        with stream.makefile("rb") as file:
            return file.read(int.from_bytes(file.read(2), "big"))
