"""Changes of elements as one nfnetlink batch (linux/netfilter/nf_tables.h), without nft's grammar in between.

Knows the kinds of keys and values that can be distinguished by their text: protocols, addresses, ports, marks.
Verdicts, ranges and rules are left to libnftables, apart from the rules that it gets wrong (`dynset.py`). Every part of
a concatenated key fills whole registers of four bytes.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from operator import attrgetter
from typing import NamedTuple

from fairlead.net.nft.dynset import pack_rule
from fairlead.net.nft.model import ElementChange, Transaction

_NEW_ELEMENT, _DELETE_ELEMENT, _GET_GENERATION = 0xA0C, 0xA0E, 0xA10
_NEW_RULE, _DELETE_RULE = 0xA06, 0xA08
_GET_TABLE, _GET_RULE, _GET_OBJECT = 0xA01, 0xA07, 0xA13
_BATCH_BEGIN, _BATCH_END, _SUBSYSTEM = 16, 17, 10
_REQUEST, _ACK, _CREATE, _APPEND, _DUMP = 1, 4, 0x400, 0x800, 0x300
_FLAGS = {_NEW_ELEMENT: _CREATE, _NEW_RULE: _CREATE | _APPEND}
_FAMILIES = {"ip": 2, "ip6": 10}
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_NESTED = 0x8000
_TABLE, _SET, _ELEMENTS = 1, 2, 3
_LIST_ELEMENT, _KEY, _DATA, _VALUE = 1, 1, 2, 1
_MESSAGE_ROOM = 60_000
"""The most bytes of elements in one attribute, whose length is 16 bits."""
_ERROR, _DONE = 2, 3
_INTERRUPTED = 0x10
"""NLM_F_DUMP_INTR (linux/netlink.h): the tables were changed during the dump."""
_RULE_CHAIN, _RULE_EXPRESSIONS = 2, 4
_OBJECT_NAME, _OBJECT_TYPE, _OBJECT_DATA = 2, 3, 4
_COUNTER, _PACKETS = 1, 2
_KEY_OF = attrgetter("key")
_ONE, _TWO = struct.Struct("=HHHHHH"), struct.Struct("=HHHH")


class Answer(NamedTuple):
    """A message that answers a request."""

    body: bytes
    last: bool
    errno: int
    interrupted: bool


def packable(transaction: Transaction) -> bool:
    """Returns True if `batch` can encode the transaction."""
    chains = (*transaction.chains, *transaction.rewrite)
    if (
        transaction.replace
        or transaction.chains
        or transaction.delete_chains
        or not all(chain.packed for chain in chains)
    ):
        return False
    return not any(change.role == "ranges" or change.verdict for change in transaction.changes)


def batch(transaction: Transaction, seq: int) -> tuple[bytes, int]:
    """Returns the batch and the number of its messages, which are numbered from `seq` + 1.

    Only the last one is acknowledged: the kernel queues every answer before `send` returns, and a receive buffer of
    net.core.rmem_default (212,992 bytes) holds some 500 of them. Errors are reported in any case."""
    family = _FAMILIES[transaction.family]
    messages = list(_messages(transaction))
    last = seq + len(messages)
    parts = [_message(_BATCH_BEGIN, _REQUEST, 0, seq, _SUBSYSTEM, b"")]
    for number, (kind, body) in enumerate(messages, seq + 1):
        flags = _REQUEST | (_ACK if number == last else 0) | _FLAGS.get(kind, 0)
        parts.append(_message(kind, flags, family, number, 0, body))
    parts.append(_message(_BATCH_END, _REQUEST, 0, seq + len(messages) + 1, _SUBSYSTEM, b""))
    return b"".join(parts), len(messages)


def generation_request(seq: int) -> bytes:
    return _message(_GET_GENERATION, _REQUEST, 0, seq, 0, b"")


def decode_generation(data: bytes) -> int:
    """Returns the generation from an answer to `generation_request`. The id is the first attribute."""
    return int.from_bytes(data[24:28], "big")


def tables_request(family: str, seq: int) -> bytes:
    return _message(_GET_TABLE, _REQUEST | _DUMP, _FAMILIES[family], seq, 0, b"")


def decode_table(body: bytes) -> str:
    """Returns the table's name."""
    return _text(_attributes(body)[_TABLE])


def rules_request(table: str, family: str, seq: int) -> bytes:
    return _message(_GET_RULE, _REQUEST | _DUMP, _FAMILIES[family], seq, 0, _attribute(_TABLE, table.encode() + b"\0"))


def counters_request(table: str, family: str, seq: int) -> bytes:
    body = _attribute(_TABLE, table.encode() + b"\0") + _attribute(_OBJECT_TYPE, _COUNTER.to_bytes(4, "big"))
    return _message(_GET_OBJECT, _REQUEST | _DUMP, _FAMILIES[family], seq, 0, body)


def decode_answers(data: bytes, seq: int) -> Iterator[Answer]:
    """Yields the answers to the request with the number `seq` in one datagram."""
    offset = 0
    while offset + 16 <= len(data):
        size, kind, flags, number = struct.unpack_from("=IHHI", data, offset)
        if number == seq:
            last = kind in (_DONE, _ERROR)
            code = -struct.unpack_from("=i", data, offset + 16)[0] if last and size >= 20 else 0
            yield Answer(data[offset + 20 : offset + size], last, code, bool(flags & _INTERRUPTED))
        offset += max((size + 3) & ~3, 16)


def decode_rule(body: bytes) -> tuple[str, bytes]:
    """Returns the rule's chain, and the bytes that distinguish the rule from any other."""
    return _text(_attributes(body)[_RULE_CHAIN]), body


def decode_counter(body: bytes) -> tuple[str, int]:
    """Returns the counter's name and its packet count."""
    attributes = _attributes(body)
    return _text(attributes[_OBJECT_NAME]), int.from_bytes(_attributes(attributes[_OBJECT_DATA])[_PACKETS], "big")


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode()


def _attributes(data: bytes) -> dict[int, bytes]:
    attributes: dict[int, bytes] = {}
    offset = 0
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, offset)
        if size < 4:
            break
        attributes[kind & 0x3FFF] = data[offset + 4 : offset + size]
        offset += (size + 3) & ~3
    return attributes


def decode_errors(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields sequence number and errno of each acknowledgement in a datagram; 0 means success."""
    offset = 0
    while offset + 16 <= len(data):
        size, kind, _, seq = struct.unpack_from("=IHHI", data, offset)
        if kind == _ERROR:
            yield seq, -struct.unpack_from("=i", data, offset + 16)[0]
        offset += (size + 3) & ~3


def _message(kind: int, flags: int, family: int, seq: int, resource: int, body: bytes) -> bytes:
    return struct.pack("=IHHIIBB", 20 + len(body), kind, flags, seq, 0, family, 0) + resource.to_bytes(2, "big") + body


def _messages(transaction: Transaction) -> Iterator[tuple[int, bytes]]:
    table = _attribute(_TABLE, transaction.table.encode() + b"\0")
    for chain in transaction.rewrite:
        where = table + _attribute(_RULE_CHAIN, chain.name.encode() + b"\0")
        yield _DELETE_RULE, where
        for rule in chain.rules:
            yield _NEW_RULE, where + _attribute(_RULE_EXPRESSIONS | _NESTED, pack_rule(rule))
    groups: dict[tuple[int, int, str], list[ElementChange]] = {}
    for change in transaction.changes:
        phase = change.phase
        if change.old is not None:
            groups.setdefault((phase, 0, change.set_name), []).append(change)
        if change.new is not None:
            groups.setdefault((phase, 1, change.set_name), []).append(change)
    for group in sorted(groups):
        kind = _NEW_ELEMENT if group[1] else _DELETE_ELEMENT
        head = table + _attribute(_SET, group[2].encode() + b"\0")
        for elements in _grouped(sorted(groups[group], key=_KEY_OF), values=kind == _NEW_ELEMENT):
            yield kind, head + _attribute(_ELEMENTS | _NESTED, elements)


def _grouped(changes: Sequence[ElementChange], *, values: bool) -> Iterator[bytes]:
    group: list[bytes] = []
    size = 0
    for element in (_element(change, values=values) for change in changes):
        if size + len(element) > _MESSAGE_ROOM:
            yield b"".join(group)
            group, size = [], 0
        group.append(element)
        size += len(element)
    if group:
        yield b"".join(group)


def _element(change: ElementChange, *, values: bool) -> bytes:
    # The headers of nested attributes are written at once: this runs for each element of a load.
    key = pack(change.key)
    size = len(key)
    if not values or not change.new:
        return _ONE.pack(size + 12, _LIST_ELEMENT | _NESTED, size + 8, _KEY | _NESTED, size + 4, _VALUE) + key
    data = pack(change.new)
    room = len(data)
    head = _ONE.pack(size + room + 20, _LIST_ELEMENT | _NESTED, size + 8, _KEY | _NESTED, size + 4, _VALUE)
    return head + key + _TWO.pack(room + 8, _DATA | _NESTED, room + 4, _VALUE) + data


def pack(text: str) -> bytes:
    """Returns a key or value in the kernel's form."""
    return b"".join(map(_pack_part, text.split(" . ")))


@lru_cache(maxsize=4096)
def _pack_part(part: str) -> bytes:
    if part in _PROTOCOLS:
        return bytes([_PROTOCOLS[part], 0, 0, 0])
    if part.startswith("0x"):
        return int(part, 16).to_bytes(4, sys.byteorder)
    if part.isdigit():
        return int(part).to_bytes(2, "big") + b"\0\0"
    if ":" in part:
        return IPv6Address(part).packed
    return bytes(map(int, part.split(".")))


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)
