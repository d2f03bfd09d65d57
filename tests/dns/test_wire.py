"""The codec and the resolver against any bytes: they go on, never answer an answer, and never grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dns.protocol.message import parse_reply, render_reply
from fairlead.dns.protocol.wire import (
    HEADER,
    QR,
    Answer,
    Malformed,
    Query,
    Record,
    encode_name,
    make_query,
    parse_query,
    render,
    render_name,
    split_name,
)
from tests.dns.test_answers import cluster
from tests.dns.world import question, sections

LABELS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1, max_size=63)
NAMES = st.lists(LABELS, min_size=1, max_size=6).map(".".join).filter(lambda name: len(name) < 250)


@given(NAMES)
def test_a_name_survives_the_wire(name: str) -> None:
    wire = encode_name(name)
    assert render_name(wire) == name.lower() + "."
    assert ".".join(split_name(wire)) == name.lower()


@given(NAMES, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.booleans())
def test_a_query_is_read_as_it_was_written(name: str, ident: int, kind: int, dnssec: bool) -> None:
    asked = encode_name(name) + kind.to_bytes(2, "big") + b"\0\1"
    query = parse_query(make_query(ident, asked, dnssec=dnssec))
    assert query == Query(ident, 0x0100, encode_name(name), kind, asked, True, 1232, dnssec)


@given(NAMES, st.lists(st.binary(min_size=4, max_size=4), max_size=300), st.integers(512, 4096))
def test_no_answer_is_longer_than_the_client_takes(name: str, addresses: list[bytes], limit: int) -> None:
    query = parse_query(make_query(1, encode_name(name) + b"\0\1\0\1"))
    records = tuple(Record(b"", 1, 5, address) for address in addresses)
    said = render(query, Answer(records=records, additional=records), limit=limit)
    assert len(said) <= limit
    flags, (answers, _, _) = sections(said)
    assert bool(flags & 0x0200) == (len(answers) < len(addresses))


@given(st.binary(max_size=600))
def test_any_bytes_get_an_error_or_nothing(data: bytes) -> None:
    said = cluster().ask(data)
    if len(data) < 12 or data[2] & 0x80:
        assert said is None
    else:
        assert said is not None
        assert said[:2] == data[:2]
        assert HEADER.unpack_from(said)[1] & QR


@given(st.binary(max_size=600), st.binary(max_size=64))
def test_any_bytes_from_upstream_are_an_answer_or_malformed(data: bytes, tail: bytes) -> None:
    key = encode_name("a.example") + b"\0\1\0\1"
    for found in (data, HEADER.pack(5, 0x8180, 1, 1, 1, 1) + key + tail):
        try:
            reply = parse_reply(found, 5, key)
        except Malformed:
            continue
        query = parse_query(make_query(9, key))
        said = render_reply(reply, query, age_s=3, limit=1232)
        assert len(said) <= 1232
        assert said[:2] == b"\0\x09"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\0\1\x28\0\0\1\0\0\0\0\0\0" + question("a.b", "A"), 4),
        (b"\0\1\1\0\0\2\0\0\0\0\0\0" + question("a.b", "A") * 2, 1),
        (b"\0\1\1\0\0\0\0\0\0\0\0\0", 1),
        (b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\xc0\x0c\0\1\0\1", 1),
        (b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\x03abc", 1),
        (b"\0\1\1\0\0\1\0\0\0\0\0\0" + question("version.bind", "TXT")[:-1] + b"\x03", 5),
        (make_query(1, question("web.default.svc.cluster.local", "A"))[:-6] + b"\0\1\0\0\0\0", 0),
    ],
    ids=["opcode", "two questions", "no question", "a pointer", "cut short", "class CH", "EDNS version 1"],
)
def test_what_is_no_plain_question_is_refused_with_the_right_code(data: bytes, code: int) -> None:
    said = cluster().ask(data)
    assert said is not None
    assert said[3] & 15 == code
    if code == 0:
        assert said[-6] == 1  # BADVERS: OPT carries the upper bits of 16


def test_an_answer_is_never_answered() -> None:
    assert cluster().ask(HEADER.pack(1, QR, 1, 0, 0, 0) + question("web.default.svc.cluster.local", "A")) is None
