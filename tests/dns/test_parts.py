"""Settings, cache, choice of upstreams: the small pure parts."""

from __future__ import annotations

import pytest

from fairlead.dns.config import BadConfig, parse_config, split_upstream
from fairlead.dns.forwarding.cache import Cache
from fairlead.dns.forwarding.forward import Healths, choose
from fairlead.dns.protocol.message import Reply, parse_reply
from fairlead.dns.protocol.wire import HEADER, encode_name
from tests.dns.servers import missing, says
from tests.dns.world import question


def reply(name: str, *, ttl: int = 60, exists: bool = True) -> tuple[tuple[bytes, bool], Reply]:
    key = question(name, "A")
    data = HEADER.pack(3, 0x0100, 1, 0, 0, 0) + key
    said = (says("192.0.2.1", ttl=ttl) if exists else missing(ttl))(data, False)
    assert said is not None
    return (key, False), parse_reply(said, 3, key)


def test_settings_are_read() -> None:
    config = parse_config(
        {
            "domain": "K8s.Test.",
            "upstreams": "host, 192.0.2.1 192.0.2.2:5353 [fd00::1]:54",
            "stub.Corp.example": "10.244.1.9",
            "pods": "verified",
            "ttl": "30",
            "log": "true",
        }
    )
    assert config.domain == "k8s.test"
    assert config.upstreams == ("host", "192.0.2.1:53", "192.0.2.2:5353", "[fd00::1]:54")
    assert config.stubs == {encode_name("corp.example"): ("10.244.1.9:53",)}
    assert (config.pods, config.ttl_s, config.log) == ("verified", 30, True)
    assert split_upstream("[fd00::1]:54") == ("fd00::1", 54)
    assert parse_config({"upstreams": "none"}).upstreams == ()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("pods", "maybe", "insecure, verified, disabled"),
        ("ttl", "-1", "invalid number: .-1.: expected 0 to 3600"),
        ("upstreams", "dns.example", "invalid upstream"),
        ("upstreams", "1.2.3.4:99999", "invalid upstream"),
        ("upstreams", "", "empty list: name upstreams"),
        ("domain", "a..b", "invalid domain"),
        ("stub.", "10.0.0.1", "invalid domain"),
        ("Corefile", ".:53 {}", "unknown setting"),
        ("hosts", "10.0.0.1 a\nx y", "line 2"),
    ],
)
def test_a_wrong_setting_is_named(key: str, value: str, words: str) -> None:
    with pytest.raises(BadConfig, match=words) as found:
        parse_config({key: value})
    assert str(found.value).startswith(key)


def test_every_wrong_setting_is_named_at_once_and_an_unknown_one_with_what_there_is() -> None:
    with pytest.raises(BadConfig) as found:
        parse_config({"ttl": "x", "pods": "some", "tll": "5", "stub.a..b": "none", "stub.c": "x"})
    assert str(found.value).split("; ") == [
        "stub.a..b: invalid domain: 'a..b'",
        "stub.c: invalid upstream: 'x': expected an address, or address:port",
        "tll: unknown setting (known: domain, upstreams, pods, ttl, cacheSize, cacheTTL, negativeTTL, hosts, log, "
        "stub.<domain>)",
        'pods: "some" is not one of insecure, verified, disabled',
        "ttl: invalid number: 'x': expected 0 to 3600",
    ]


def test_kept_answers_age_and_end() -> None:
    cache = Cache(size=10, ttl_s=30, negative_ttl_s=5)
    cache.put(*reply("a.example", ttl=20), now=100.0)
    cache.put(*reply("b.example", ttl=3600), now=100.0)
    cache.put(*reply("no.example", ttl=3600, exists=False), now=100.0)
    key_a, key_b, key_no = ((question(f"{n}.example", "A"), False) for n in ("a", "b", "no"))
    kept = cache.get(key_a, 112.5)
    assert kept is not None
    assert kept.age_s(112.5) == 12
    assert cache.get(key_no, 104.9) is not None
    assert cache.get(key_no, 105.1) is None
    assert cache.get(key_a, 120.1) is None
    assert cache.get(key_b, 129.9) is not None
    assert cache.get(key_b, 130.1) is None
    assert cache.counts() == (0, 0)


def test_the_packed_form_counts_its_ttl_down() -> None:
    cache = Cache(size=10, ttl_s=30, negative_ttl_s=5)
    key, found = reply("a.example", ttl=20)
    cache.put(key, found, 100.0)
    for now, left in ((100.4, 20), (107.0, 13), (119.9, 1)):
        packed = cache.packed(key[0], now)
        assert packed is not None
        assert int.from_bytes(packed[-10:-6], "big") == left
    assert cache.packed(key[0], 120.0) is None


def test_a_flood_stays_within_the_bound_and_wrong_names_push_out_no_right_ones() -> None:
    cache = Cache(size=50, ttl_s=30, negative_ttl_s=5)
    cache.put(*reply("a.example"), now=1.0)
    for n in range(500):
        cache.put(*reply(f"no{n}.example", exists=False), now=1.0)
    assert cache.counts() == (1, 50)
    for n in range(500):
        cache.put(*reply(f"yes{n}.example"), now=1.0)
    assert cache.counts() == (50, 50)


def test_an_upstream_that_fails_again_is_skipped_longer_each_time_and_returns() -> None:
    healths = Healths()
    assert healths.order(["a", "b"], 0.0) == ["a", "b"]
    assert not healths.failed("a", 0.0)
    assert healths.order(["a", "b"], 0.0) == ["a", "b"]
    assert healths.failed("a", 0.0)
    assert healths.order(["a", "b"], 0.5) == ["b", "a"]
    assert healths.order(["a", "b"], 1.0) == ["a", "b"]
    assert healths.failed("a", 1.0)
    assert healths.order(["a", "b"], 2.9) == ["b", "a"]
    healths.succeeded("a")
    assert healths.order(["a", "b"], 2.9) == ["a", "b"]


def test_the_longest_stub_domain_is_chosen() -> None:
    stubs = {encode_name("example"): ("one",), encode_name("corp.example"): ("two",)}
    names = {"a.corp.example": "two", "corp.example": "two", "xcorp.example": "one", "other": "all"}
    assert {name: choose(encode_name(name), stubs, ("all",))[0] for name in names} == names
