"""Our codec against dnspython: each reads what the other writes, and both get the same content.

`tests.dns.world.sections` compares with dnspython every message that any other test reads."""

from __future__ import annotations

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dns.protocol.message import answer_records, parse_reply, render_reply
from fairlead.dns.protocol.wire import TC, make_query, opt, parse_query, render_name
from tests.dns import oracle
from tests.dns.test_answers import REVERSE, TABLE, cluster
from tests.dns.world import NAMES, question

ASKED = "www.example.org"
KINDS = {
    "A": "192.0.2.7",
    "AAAA": "2001:db8::7",
    "NS": "ns1.example.org.",
    "CNAME": "other.example.org.",
    "SOA": "ns1.example.org. hostmaster.example.org. 7 7200 1800 86400 40",
    "PTR": "mail.www.example.org.",
    "HINFO": '"RFC8482" ""',
    "MX": "10 mail.example.org.",
    "TXT": '"v=spf1" "-all"',
    "SRV": "0 5 5060 sip.www.example.org.",
    "NAPTR": '10 100 "s" "SIP+D2U" "" _sip._udp.example.org.',
    "DNAME": "example.net.",
    "CAA": '0 issue "ca.example.net"',
    "DS": "60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118",
    "DNSKEY": "256 3 8 AwEAAb==",
    "RRSIG": "A 8 3 60 20300101000000 20200101000000 60485 example.org. AwEAAb==",
    "SVCB": '1 svc.example.org. alpn="h2" port="8443"',
    "HTTPS": "0 pool.www.example.org.",
    "TLSA": f"3 1 1 {'ab' * 32}",
    "TYPE65280": r"\# 3 c00cff",
}
"""A record of every type that a resolver is likely to pass on, and one of a private type whose data look like a
pointer."""

TTLS = st.integers(0, 2**31 - 1)
OWNERS = st.sampled_from([ASKED, "example.org", f"a.b.{ASKED}", "example.net", "org", f"{'x' * 63}.example.org"])
RECORDS = st.builds(lambda owner, ttl, kind: oracle.record(owner, ttl, kind, KINDS[kind]),
                    OWNERS, TTLS, st.sampled_from(list(KINDS)))  # fmt: skip
SECTION = st.lists(RECORDS, max_size=5)


def key(kind: str = "A", name: str = ASKED) -> bytes:
    return question(name, kind)


@given(SECTION, SECTION, SECTION, st.sampled_from([0, 3]), st.booleans(), st.integers(0, 4000))
def test_an_upstreams_answer_reaches_the_client_with_every_record_and_its_ttl_counted_down(
    answers: list[oracle.Record],
    authority: list[oracle.Record],
    additional: list[oracle.Record],
    rcode: int,
    edns: bool,
    age_s: int,
) -> None:
    said = oracle.answer(make_query(5, key()), answers, authority, additional, rcode=rcode, edns=edns)
    theirs = oracle.read(said)
    reply = parse_reply(said, 5, key())
    passed_on = oracle.read(render_reply(reply, parse_query(make_query(9, key())), age_s=age_s, limit=65535))
    for section in theirs.sections[1:]:
        for record in section:
            record.ttl = max(0, record.ttl - age_s)
    assert oracle.rows(passed_on) == oracle.rows(theirs)
    assert reply.counts == tuple(len(section) for section in theirs.sections[1:])
    assert (reply.rcode, passed_on.rcode()) == (rcode, rcode)
    assert (passed_on.id, passed_on.edns, passed_on.payload) == (9, 0, 1232)


@given(SECTION)
def test_names_in_aliases_are_written_out_as_dnspython_reads_them(answers: list[oracle.Record]) -> None:
    said = oracle.answer(make_query(5, key()), answers)
    found = answer_records(parse_reply(said, 5, key()), key(), age_s=0)
    shown = [
        f"{render_name(record.owner)} {record.ttl} {NAMES[record.type]} "
        + (render_name(record.rdata) if NAMES[record.type] == "CNAME" else record.rdata.hex())
        for record in found
    ]
    expected = []
    for record, row in zip(oracle.read(said).answer, oracle.rows(oracle.read(said))[0], strict=True):
        owner, ttl, kind, data = row.split(" ", 3)
        if kind in ("A", "AAAA", "CNAME"):
            expected.append(f"{owner} {ttl} {kind} " + (data if kind == "CNAME" else record[0].to_wire().hex()))
    assert shown == expected


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_record_is_kept_as_long_as_its_ttl_says(kind: str) -> None:
    said = oracle.answer(make_query(5, key()), [oracle.record(ASKED, 300, kind, KINDS[kind])])
    reply = parse_reply(said, 5, key())
    # An answer that consists of aliases is NODATA: if no SOA gives a TTL, it is not cached (RFC 2308, section
    # 5).
    assert (reply.ttl, reply.negative) == ((0, True) if kind == "CNAME" else (300, False))


@pytest.mark.parametrize(("soa_ttl", "minimum", "kept"), [(300, 40, 40), (30, 40, 30)])
def test_a_name_that_does_not_exist_is_kept_as_long_as_the_soa_allows(soa_ttl: int, minimum: int, kept: int) -> None:
    soa = oracle.record("example.org", soa_ttl, "SOA", f"ns1.example.org. h.example.org. 7 7200 1800 86400 {minimum}")
    reply = parse_reply(oracle.answer(make_query(5, key()), [], [soa], rcode=3), 5, key())
    assert (reply.ttl, reply.negative, reply.rcode) == (kept, True, 3)


def test_a_truncated_answer_is_read_as_one_and_not_kept() -> None:
    said = oracle.answer(make_query(5, key()), [oracle.record(ASKED, 300, "A", "192.0.2.7")], truncated=True)
    reply = parse_reply(said, 5, key())
    assert (reply.truncated, reply.ttl) == (True, 0)


def test_an_answer_too_long_for_the_client_is_truncated_for_dnspython_too() -> None:
    records = [oracle.record(ASKED, 60, "TXT", f'"{"x" * 200}{n}"') for n in range(9)]
    reply = parse_reply(oracle.answer(make_query(5, key("TXT")), records), 5, key("TXT"))
    cut = oracle.read(render_reply(reply, parse_query(make_query(9, key("TXT"))), age_s=0, limit=1232))
    assert cut.flags & dns.flags.TC
    assert oracle.rows(cut) == [[], [], []]
    assert cut.question[0].to_text() == f"{ASKED}. IN TXT"


@pytest.mark.parametrize("edns", [True, False])
@pytest.mark.parametrize("row", [*TABLE, *((name, "PTR") for name, *_ in REVERSE)], ids=lambda row: row[0] or "apex")
def test_dnspython_reads_every_answer_of_the_cluster(row: tuple[str, ...], edns: bool) -> None:
    name = row[0] if row[0].endswith((".arpa", "example.org")) else f"{row[0]}.cluster.local".lstrip(".")
    world = cluster()
    for said in (world.raw(name, row[1], edns=edns), world.raw(name, row[1], edns=edns)):
        message = oracle.read(said)
        assert message.question[0].name == dns.name.from_text(name)
        assert (message.edns, message.payload) == ((0, 1232) if edns else (-1, 0))
        assert dns.message.from_wire(message.to_wire(), one_rr_per_rrset=True).sections == message.sections


@given(st.sampled_from(TABLE), st.integers(0, 2**16 - 1), st.booleans(), st.integers(0, 2**16 - 1))
def test_a_query_by_dnspython_is_read_as_it_was_meant(
    row: tuple[str, ...], ident: int, dnssec: bool, payload: int
) -> None:
    name = f"{row[0]}.cluster.local".lstrip(".")
    cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")
    asked = dns.message.make_query(name, row[1], use_edns=0, want_dnssec=dnssec, payload=payload, options=[cookie])
    asked.id = ident
    query = parse_query(asked.to_wire())
    assert (query.id, query.edns, query.dnssec) == (ident, True, dnssec)
    assert query.size == min(max(payload, 512), 1232)
    assert render_name(query.name) == dns.name.from_text(name).to_text().lower()


@pytest.mark.parametrize(("rcode", "dnssec"), [(0, False), (0, True), (16, False)])
def test_our_opt_says_to_dnspython_what_was_meant(rcode: int, dnssec: bool) -> None:
    plain = oracle.answer(make_query(5, key()), [], edns=False)
    message = oracle.read(plain[:10] + b"\0\1" + plain[12:] + opt(dnssec=dnssec, rcode=rcode))
    assert (message.rcode(), bool(message.ednsflags & dns.flags.DO)) == (rcode, dnssec)
    assert message.flags & TC == 0


@given(SECTION, SECTION, st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=3))
def test_what_dnspython_accepts_as_an_answer_is_not_malformed_for_us(
    answers: list[oracle.Record], additional: list[oracle.Record], changes: list[tuple[int, int]]
) -> None:
    data = bytearray(oracle.answer(make_query(5, key()), answers, [], additional))
    start = 12 + len(key())  # the header and the question stay: they identify the query
    for at, value in changes:
        if start < len(data):
            data[start + at % (len(data) - start)] = value
    try:
        message = oracle.read(bytes(data))
    except dns.exception.DNSException:
        return
    counts = parse_reply(bytes(data), 5, key()).counts
    assert sum(counts) <= sum(len(section) for section in message.sections[1:])
