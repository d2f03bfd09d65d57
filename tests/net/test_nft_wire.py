"""The messages of the netlink sockets: acknowledgements, answers to a request, dumps that are interrupted."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator

from fairlead.net.netlink.dump import is_interrupted
from fairlead.net.nft.model import Chain, ElementChange, Transaction
from fairlead.net.nft.wire import Answer, batch, decode_answers

NEW_RULE, DONE, ERROR = 0xA06, 3, 2
RULES = ("update @seen { meta l4proto . ip saddr timeout 90s : meta mark }",)


def chains(count: int) -> tuple[Chain, ...]:
    return tuple(Chain(f"c{number}", RULES, packed=True) for number in range(count))


def headers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields number and flags of each message."""
    offset = 0
    while offset < len(data):
        size, _, flags, seq = struct.unpack_from("=IHHI", data, offset)
        yield seq, flags
        offset += (size + 3) & ~3


def message(kind: int, seq: int, body: bytes, *, flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, seq, 0) + body


def test_only_the_last_message_of_a_batch_is_acknowledged() -> None:
    change = ElementChange("seen", "10.0.0.1", None, "")
    data, messages = batch(Transaction("t", rewrite=chains(300), changes=(change,)), 7)
    assert messages == 601
    assert [seq for seq, flags in headers(data) if flags & 4] == [7 + messages]


def test_packed_rules_of_many_chains_are_sent_in_parts() -> None:
    parts = list(Transaction("t", chains=chains(450)).split())
    assert [len(part.rewrite) for part in parts] == [0, 200, 200, 50]
    assert tuple(chain for part in parts for chain in part.rewrite) == chains(450)
    assert all(len(batch(part, 1)[0]) < 212_992 for part in parts[1:])


def test_answers_to_earlier_requests_are_passed_over() -> None:
    stale = message(ERROR, 4, struct.pack("=i", -errno.EBUSY))
    rule = message(NEW_RULE, 5, b"\2\0\0\0rule")
    done = message(DONE, 5, struct.pack("=i", 0))
    assert list(decode_answers(stale + rule + done, 5)) == [
        Answer(b"rule", False, 0, False),
        Answer(b"", True, 0, False),
    ]


def test_the_end_of_a_dump_tells_an_error_and_an_interruption() -> None:
    refused = message(ERROR, 5, struct.pack("=i", -errno.ENOENT) + bytes(16))
    (answer,) = decode_answers(refused, 5)
    assert (answer.last, answer.errno, answer.interrupted) == (True, errno.ENOENT, False)
    (answer,) = decode_answers(message(DONE, 5, bytes(4), flags=0x10), 5)
    assert (answer.last, answer.errno, answer.interrupted) == (True, 0, True)


def test_an_interruption_is_seen_in_every_message_of_a_dump_of_routes() -> None:
    route, last = message(24, 5, bytes(16)), message(DONE, 5, bytes(4))
    assert not is_interrupted(route + last)
    assert is_interrupted(route + message(24, 5, bytes(16), flags=0x10) + last)
    assert is_interrupted(route + message(DONE, 5, bytes(4), flags=0x10))
