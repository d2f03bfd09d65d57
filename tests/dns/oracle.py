"""DNS messages as dnspython reads and writes them: an independent check of our codec. Tests only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Record = dns.rrset.RRset
"""One record; the smallest type of dnspython with an owner and a TTL."""


def read(data: bytes) -> dns.message.Message:
    """Reads the whole message, each record by itself. Raises dns.exception.DNSException for any fault."""
    return dns.message.from_wire(data, one_rr_per_rrset=True)


def rows(message: dns.message.Message) -> list[list[str]]:
    """Returns answers, authority and additional records (without OPT) in order: `owner ttl TYPE data`."""
    return [[_row(record) for record in section] for section in message.sections[1:]]


def _row(record: Record) -> str:
    (rdata,) = record
    kind = dns.rdatatype.to_text(record.rdtype)
    return f"{_plain(record.name)} {record.ttl} {kind} {_data(kind, rdata)}"


def _data(kind: str, rdata: Any) -> str:
    if kind in ("CNAME", "PTR", "NS"):
        return _plain(rdata.target)
    if kind == "SRV":
        return f"{rdata.priority} {rdata.weight} {rdata.port} {_plain(rdata.target)}"
    return str(rdata.to_text())


def _plain(name: dns.name.Name) -> str:
    """Returns the labels without the escapes of a zone file, in lower case."""
    return ".".join(label.decode("latin-1") for label in name.labels[:-1]).lower() + "."


def record(owner: str, ttl: int, kind: str, data: str) -> Record:
    """Makes one record from its presentation form."""
    return dns.rrset.from_text(dns.name.from_text(owner), ttl, "IN", kind, data)


def answer(
    query: bytes,
    answers: Sequence[Record],
    authority: Sequence[Record] = (),
    additional: Sequence[Record] = (),
    *,
    rcode: int = 0,
    truncated: bool = False,
    edns: bool = True,
) -> bytes:
    """Writes the answer of a recursive server to this query, with every permitted name compressed."""
    said = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    said.set_rcode(dns.rcode.Rcode(rcode))
    said.sections[1:] = [list(answers), list(authority), list(additional)]
    said.flags |= dns.flags.TC if truncated else 0
    said.use_edns(0 if edns else -1, payload=1232)
    return said.to_wire(max_size=65535)
