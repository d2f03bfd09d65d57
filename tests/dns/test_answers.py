"""The specification's answer for each kind of name, from a small cluster."""

from __future__ import annotations

import pytest

from fairlead.dns.config import Config, parse_config
from fairlead.dns.protocol.message import parse_reply
from fairlead.dns.protocol.wire import HEADER, TC, encode_name
from tests.dns.world import World, endpoint, endpoints, question, sections, service

HTTP = ("http", "TCP", 80)
DNS = ("dns", "UDP", 53)


def cluster(config: Config | None = None) -> World:
    return World(
        service("web", "10.96.0.7", ports=[HTTP]),
        endpoints("web", "10.244.1.5", "10.244.2.6", ports=[("http", "TCP", 8080)]),
        service("2web", "10.96.0.12", ports=[HTTP]),
        service("10", "10.96.0.13", ports=[HTTP]),
        service("plain", "10.96.0.8", ports=[("", "TCP", 80)]),
        service("db", "None", ports=[("pg", "TCP", 5432)]),
        endpoints(
            "db",
            endpoint("10.244.1.9", "db-0"),
            endpoint("10.244.2.9"),
            endpoint("10.244.3.9", "db-2", ready=False),
            ports=[("pg", "TCP", 5432)],
        ),
        service("eager", "None", publishNotReadyAddresses=True),
        endpoints("eager", endpoint("10.244.3.1", ready=False)),
        service("empty", "None"),
        service("both", ("10.96.0.9", "fd00:96::9"), ports=[HTTP]),
        service("six", "None"),
        endpoints("six", "fd00:244::5"),
        service("outside", type="ExternalName", externalName="api.example.org"),
        service("inside", type="ExternalName", externalName="web.default.svc.cluster.local"),
        service("circle", type="ExternalName", externalName="circle.default.svc.cluster.local"),
        service("lost", type="ExternalName", externalName="nobody.default.svc.cluster.local"),
        service("kube-dns", "10.96.0.10", ns="kube-system", ports=[DNS, ("dns-tcp", "TCP", 53)]),
        config=config,
    )


TABLE = [
    ("web.default.svc", "A", "NOERROR", "A 10.96.0.7"),
    ("WEB.Default.Svc", "A", "NOERROR", "A 10.96.0.7"),
    ("2web.default.svc", "A", "NOERROR", "A 10.96.0.12"),
    ("10.default.svc", "A", "NOERROR", "A 10.96.0.13"),
    ("_http._tcp.10.default.svc", "SRV", "NOERROR", "SRV 0 100 80 10.default.svc.cluster.local."),
    ("web.default.svc", "AAAA", "NOERROR"),
    ("web.default.svc", "TXT", "NOERROR"),
    ("web.default.svc", "SRV", "NOERROR", "SRV 0 100 80 web.default.svc.cluster.local."),
    ("_http._tcp.web.default.svc", "SRV", "NOERROR", "SRV 0 100 80 web.default.svc.cluster.local."),
    ("_http._tcp.web.default.svc", "A", "NOERROR"),
    ("_http._udp.web.default.svc", "SRV", "NXDOMAIN"),
    ("_tcp.web.default.svc", "SRV", "NOERROR"),
    ("_udp.web.default.svc", "SRV", "NXDOMAIN"),
    ("_nope._tcp.web.default.svc", "SRV", "NXDOMAIN"),
    ("_._tcp.web.default.svc", "SRV", "NXDOMAIN"),
    ("_http._tcp.plain.default.svc", "SRV", "NXDOMAIN"),
    ("_tcp.plain.default.svc", "SRV", "NXDOMAIN"),
    ("_dns._udp.kube-dns.kube-system.svc", "SRV", "NOERROR", "SRV 0 100 53 kube-dns.kube-system.svc.cluster.local."),
    ("db.default.svc", "A", "NOERROR", "A 10.244.1.9", "A 10.244.2.9"),
    ("db-0.db.default.svc", "A", "NOERROR", "A 10.244.1.9"),
    ("10-244-2-9.db.default.svc", "A", "NOERROR", "A 10.244.2.9"),
    ("10-244-1-9.db.default.svc", "A", "NXDOMAIN"),
    ("db-2.db.default.svc", "A", "NXDOMAIN"),
    ("db-0.db.default.svc", "AAAA", "NOERROR"),
    ("10-244-1-5.web.default.svc", "A", "NOERROR", "A 10.244.1.5"),
    (
        "_pg._tcp.db.default.svc", "SRV", "NOERROR",
        "SRV 0 50 5432 db-0.db.default.svc.cluster.local.", "SRV 0 50 5432 10-244-2-9.db.default.svc.cluster.local.",
    ),
    ("eager.default.svc", "A", "NOERROR", "A 10.244.3.1"),
    ("empty.default.svc", "A", "NXDOMAIN"),
    ("nobody.default.svc", "A", "NXDOMAIN"),
    ("both.default.svc", "A", "NOERROR", "A 10.96.0.9"),
    ("both.default.svc", "AAAA", "NOERROR", "AAAA fd00:96::9"),
    ("six.default.svc", "AAAA", "NOERROR", "AAAA fd00:244::5"),
    ("six.default.svc", "A", "NOERROR"),
    ("fd00-244--5.six.default.svc", "AAAA", "NOERROR", "AAAA fd00:244::5"),
    ("outside.default.svc", "CNAME", "NOERROR", "CNAME api.example.org."),
    ("outside.default.svc", "TXT", "NOERROR", "CNAME api.example.org."),
    ("inside.default.svc", "A", "NOERROR", "CNAME web.default.svc.cluster.local.", "A 10.96.0.7"),
    ("inside.default.svc", "AAAA", "NOERROR", "CNAME web.default.svc.cluster.local."),
    ("lost.default.svc", "A", "NXDOMAIN", "CNAME nobody.default.svc.cluster.local."),
    ("10-244-1-5.default.pod", "A", "NOERROR", "A 10.244.1.5"),
    ("10-244-1-5.default.pod", "AAAA", "NOERROR"),
    ("10-244-1-256.default.pod", "A", "NXDOMAIN"),
    ("10-244-1-5.nowhere.pod", "A", "NXDOMAIN"),
    ("fd00-244--5.default.pod", "AAAA", "NOERROR", "AAAA fd00:244::5"),
    ("dns-version", "TXT", "NOERROR", "TXT 1.1.0"),
    ("dns-version", "A", "NOERROR"),
    ("", "SOA", "NOERROR", "SOA ns.dns.cluster.local. ..."),
    ("", "NS", "NOERROR", "NS ns.dns.cluster.local."),
    ("", "A", "NOERROR"),
    ("ns.dns", "A", "NOERROR", "A 10.96.0.10"),
    ("svc", "A", "NOERROR"),
    ("default.svc", "A", "NOERROR"),
    ("nowhere.svc", "A", "NXDOMAIN"),
    ("*.default.svc", "A", "NXDOMAIN"),
    ("*.*.svc", "A", "NXDOMAIN"),
    ("any.web.default.svc", "A", "NXDOMAIN"),
    ("a.b.c.web.default.svc", "A", "NXDOMAIN"),
    ("web.default.svc", "ANY", "NOERROR", "HINFO \x07RFC8482\x00"[:6] + "RFC8482\x00"),
    ("web.default.svc", "AXFR", "REFUSED"),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0] or 'apex'} {row[1]}")
def test_names_of_the_cluster(row: tuple[str, ...]) -> None:
    name, kind, *wanted = row
    full = f"{name}.cluster.local" if name else "cluster.local"
    assert sorted(cluster().dig(full, kind)) == sorted(wanted)
    assert sorted(cluster().dig(full, kind, tcp=True)) == sorted(wanted)


REVERSE = [
    ("7.0.96.10.in-addr.arpa", "NOERROR", "PTR web.default.svc.cluster.local."),
    ("9.1.244.10.in-addr.arpa", "NOERROR", "PTR db-0.db.default.svc.cluster.local."),
    ("9.2.244.10.in-addr.arpa", "NOERROR", "PTR 10-244-2-9.db.default.svc.cluster.local."),
    ("5.1.244.10.in-addr.arpa", "NOERROR", "PTR 10-244-1-5.web.default.svc.cluster.local."),
    ("1.1.1.10.in-addr.arpa", "NXDOMAIN"),
    ("8.8.8.8.in-addr.arpa", "REFUSED"),
    ("9." + "0." * 23 + "6.9.0.0.0.0.d.f.ip6.arpa", "NOERROR", "PTR both.default.svc.cluster.local."),
    ("8." + "0." * 23 + "6.9.0.0.0.0.d.f.ip6.arpa", "NXDOMAIN"),
    ("example.org", "REFUSED"),
]


@pytest.mark.parametrize("row", REVERSE, ids=lambda row: row[0])
def test_reverse_names_and_others(row: tuple[str, ...]) -> None:
    name, *wanted = row
    assert cluster().dig(name, "PTR") == wanted


def test_an_answer_for_a_missing_name_has_the_soa_of_the_domain() -> None:
    _, (answers, authority, _) = sections(cluster().raw("nobody.default.svc.cluster.local"))
    assert answers == []
    assert authority == ["cluster.local. 5 SOA ns.dns.cluster.local. ..."]


def test_srv_answers_bring_the_addresses_of_their_targets() -> None:
    _, (_, _, more) = sections(cluster().raw("_pg._tcp.db.default.svc.cluster.local", "SRV"))
    assert sorted(more) == [
        "10-244-2-9.db.default.svc.cluster.local. 5 A 10.244.2.9",
        "db-0.db.default.svc.cluster.local. 5 A 10.244.1.9",
    ]


def test_the_question_is_given_back_as_it_was_spelt() -> None:
    asked = question("wEb.deFault.svc.CLUSTER.local", "A")
    assert cluster().raw_bytes(asked)[12 : 12 + len(asked)] == asked


def test_endpoints_take_turns() -> None:
    world = cluster()
    first = [sections(world.raw("db.default.svc.cluster.local"))[1][0][0].split()[-1] for _ in range(10)]
    assert first.count("10.244.1.9") == first.count("10.244.2.9") == 5


@pytest.mark.slow
def test_a_thousand_endpoints_are_cut_for_udp_and_whole_for_tcp() -> None:
    slices = [
        endpoints("big", *(f"10.244.{n}.{i}" for i in range(1, 101)), suffix=f"s{n}", ports=[("p", "TCP", 1)])
        for n in range(10)
    ]
    world = World(service("big", "None"), *slices)
    name = "big.default.svc.cluster.local"
    for edns, limit in ((True, 1232), (False, 512)):
        said = world.raw(name, edns=edns)
        flags, (answers, _, _) = sections(said)
        assert flags & TC
        assert limit - 16 <= len(said) <= limit
        assert answers
    flags, (answers, _, _) = sections(world.raw(name, tcp=True))
    assert not flags & TC
    assert len(set(answers)) == 1000
    flags, (answers, _, _) = sections(world.raw(f"_p._tcp.{name}", "SRV", tcp=True))
    assert len(set(answers)) > 800
    everyone = {row for _ in range(1000) for row in sections(world.raw(name))[1][0]}
    assert len(everyone) == 1000


def test_an_address_in_two_slices_has_the_ports_of_both_and_all_its_names() -> None:
    world = World(
        service("h", "None", ports=[("a", "TCP", 7001), ("b", "TCP", 7002)]),
        endpoints("h", endpoint("10.244.1.250", "n0"), suffix="a", ports=[("a", "TCP", 7001)]),
        endpoints("h", endpoint("10.244.1.250", "n0"), suffix="b", ports=[("b", "TCP", 7002), ("a", "TCP", 7001)]),
        endpoints("h", endpoint("10.244.1.250", "n1"), suffix="c", ports=[("c", "TCP", 7003)]),
        endpoints("h", endpoint("10.244.1.250", "n2", ready=False), suffix="d", ports=[("d", "TCP", 7004)]),
    )
    name = "h.default.svc.cluster.local"
    assert world.dig(f"_a._tcp.{name}", "SRV") == ["NOERROR", f"SRV 0 100 7001 n0.{name}."]
    assert world.dig(f"_b._tcp.{name}", "SRV") == ["NOERROR", f"SRV 0 100 7002 n0.{name}."]
    assert world.dig(f"_c._tcp.{name}", "SRV") == ["NOERROR", f"SRV 0 100 7003 n1.{name}."]
    assert world.dig(f"_d._tcp.{name}", "SRV") == ["NXDOMAIN"]
    assert world.dig(f"n0.{name}", "SRV") == [
        "NOERROR",
        f"SRV 0 50 7001 n0.{name}.",
        f"SRV 0 50 7002 n0.{name}.",
    ]
    for one in (name, f"n0.{name}", f"n1.{name}"):
        assert world.dig(one) == ["NOERROR", "A 10.244.1.250"]
    assert world.dig("250.1.244.10.in-addr.arpa", "PTR") == ["NOERROR", f"PTR n0.{name}.", f"PTR n1.{name}."]


def test_a_change_replaces_a_packed_answer_at_once() -> None:
    world = cluster()
    name = "db.default.svc.cluster.local"
    for kind in ("A", "AAAA", "SRV"):
        world.dig(name, kind)
        world.dig(f"db-0.{name}", kind)
        world.dig("9.1.244.10.in-addr.arpa", "PTR")
    world.put(endpoints("db", endpoint("10.244.7.7", "db-0"), ports=[("pg", "TCP", 5432)]))
    assert world.dig(name) == ["NOERROR", "A 10.244.7.7"]
    assert world.dig(name, "SRV") == ["NOERROR", "SRV 0 100 5432 db-0.db.default.svc.cluster.local."]
    assert world.dig(f"db-0.{name}") == ["NOERROR", "A 10.244.7.7"]
    assert world.dig("9.1.244.10.in-addr.arpa", "PTR") == ["NXDOMAIN"]
    world.zone.put_service("default/db", None)
    world.zone.put_slice("default/db-x", None)
    world.zone.flush(1)
    assert world.dig(name) == ["NXDOMAIN"]


def test_nothing_is_left_of_a_cluster_that_is_emptied() -> None:
    world = cluster()
    for name, kind, *_ in TABLE:
        world.dig(f"{name}.cluster.local" if name else "cluster.local", kind)
    zone = world.zone
    for key in list(zone._services):
        zone.put_service(key, None)
    for key in list(zone._slices):
        zone.put_slice(key, None)
    for name in ("default", "kube-system"):
        zone.put_namespace(name, exists=False)
    zone.flush(2)
    held = (zone.hot, zone.namespaces, zone._slices_of, zone._by_address, zone._packed, zone._cached)
    assert [len(part) for part in held] == [0] * len(held)


def test_pod_records_can_be_verified_or_disabled() -> None:
    name = "10-244-1-5.default.pod.cluster.local"
    off = cluster(Config(upstreams=(), pods="disabled"))
    assert off.dig(name) == ["NXDOMAIN"]
    strict = cluster(Config(upstreams=(), pods="verified"))
    assert strict.dig(name) == ["NXDOMAIN"]
    strict.zone.put_pod("10.244.1.5", "default", exists=True)
    assert strict.dig(name) == ["NOERROR", "A 10.244.1.5"]
    assert strict.dig("10-244-1-5.kube-system.pod.cluster.local") == ["NXDOMAIN"]
    strict.zone.put_pod("10.244.1.5", "default", exists=False)
    assert strict.dig(name) == ["NXDOMAIN"]


def test_another_domain_and_ttl_take_effect_at_once() -> None:
    world = cluster()
    world.dig("web.default.svc.cluster.local", "SRV")
    world.zone.configure(Config(domain="k8s.test", ttl_s=17, upstreams=()))
    world.zone.flush(3)
    assert world.dig("web.default.svc.cluster.local") == ["REFUSED"]
    _, (answers, _, _) = sections(world.raw("web.default.svc.k8s.test"))
    assert answers == ["web.default.svc.k8s.test. 17 A 10.96.0.7"]


def test_hosts_lines_are_names_and_reverse_names() -> None:
    config = parse_config({"hosts": "192.0.2.7 gate.example gate\n# none\nfd00::7 gate.example", "upstreams": "none"})
    world = cluster(config)
    assert world.dig("gate.example") == ["NOERROR", "A 192.0.2.7"]
    assert world.dig("gate.example", "AAAA") == ["NOERROR", "AAAA fd00::7"]
    assert sorted(world.dig("7.2.0.192.in-addr.arpa", "PTR")) == ["NOERROR", "PTR gate.", "PTR gate.example."]


def test_an_external_alias_includes_upstreams_records() -> None:
    world = cluster(Config())
    key = encode_name("api.example.org") + b"\0\1\0\1"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\x21"
    reply = parse_reply(HEADER.pack(9, 0x8180, 1, 1, 0, 0) + key + record, 9, key)
    world.upstream.answers["api.example.org.", 1] = reply
    assert world.dig("outside.default.svc.cluster.local") == ["NOERROR", "CNAME api.example.org.", "A 192.0.2.33"]
    assert world.upstream.asked == [((key, False), ("host",))]


def test_an_external_alias_without_an_upstream_is_only_the_alias() -> None:
    assert cluster().dig("outside.default.svc.cluster.local") == ["NOERROR", "CNAME api.example.org."]


def test_an_alias_to_itself_ends() -> None:
    assert len(cluster().dig("circle.default.svc.cluster.local")) < 12
