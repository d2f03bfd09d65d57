"""One question to one DNS server over UDP, and over TCP if the answer is too long. For commands that explain."""

from __future__ import annotations

import os
import socket
import struct
from typing import NamedTuple

from fairlead.dns.protocol.asked import AAAA, A, make_question, read_addresses
from fairlead.dns.protocol.wire import Malformed
from fairlead.explain.outcomes import ANSWERED, REFUSED, SILENT, UNREACHABLE

__all__ = ["AAAA", "A", "Answered", "ask"]
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
    ident = int.from_bytes(os.urandom(2), "big")
    query = make_question(name, kind, ident)
    outcome = SILENT
    for _ in range(tries):
        try:
            found = read_addresses(_exchange(query, server, timeout_s), name, kind, ident)
        except TimeoutError:
            outcome = SILENT
        except ConnectionError:
            outcome = REFUSED
        except Malformed:
            return Answered(ANSWERED, "malformed")
        except OSError:
            return Answered(UNREACHABLE)
        else:
            return Answered(ANSWERED, *found)
    return Answered(outcome)


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
