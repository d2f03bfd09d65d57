"""Settings: what is refused before anything starts, and what a cluster remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.cmd.cluster import config, flags
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.merging import FlagValues, merge
from fairlead.cmd.cluster.name import parse_name
from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.cluster.ranges import parse_cidrs
from fairlead.cmd.errors import CommandError, UsageError


def merged(*, stored: ClusterConfig | None = None, has_store: bool = False, **given: object) -> ClusterConfig:
    return merge("c", stored, FlagValues(**given), has_store=has_store)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a", "demo", "a-1", "0x", "a" * 40])
def test_a_label_names_a_cluster(name: str) -> None:
    assert parse_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "-a", "a-", "a" * 41, "a\n", "ä"])
def test_what_is_no_label_is_refused_as_a_name(name: str) -> None:
    with pytest.raises(UsageError, match="lower-case letters"):
        parse_name(name)


@pytest.mark.parametrize("text", ["", "30000", "a-b", "2-1", "0-5", "1-65536", "1-2-3", "-1-5"])
def test_what_is_no_range_of_ports_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected e\.g\. 30000-32767"):
        flags.parse_port_range(text)


def test_a_range_of_ports_is_read() -> None:
    assert flags.parse_port_range("30000-30010") == (30000, 30010)


@pytest.mark.parametrize("text", ["", "10.0.0.1/16", "10.0.0.0/33", "fd00::/129", "x"])
def test_what_is_no_range_is_refused_with_its_flag(text: str) -> None:
    with pytest.raises(UsageError, match=r'invalid --pod-cidr ".*expected e\.g\. 10\.50\.0\.0/16'):
        parse_cidrs(text, "--pod-cidr")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fd00:1::/56,10.0.0.0/16", "the IPv4 range must come first: write 10.0.0.0/16,fd00:1::/56"),
        ("10.0.0.0/16,10.1.0.0/16", "more than one range of a family"),
        ("10.0.0.0/16,fd00:1::/56,fd00:2::/56", "more than one range of a family"),
        ("10.0.0.0/16,", "expected e.g. 10.50.0.0/16"),
        ("10.0.0.0/16,fd00::1/56", "host bits set"),
    ],
)
def test_a_pair_of_ranges_is_one_of_each_family_ipv4_first(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"--service-cidr.*{why}"):
        parse_cidrs(text, "--service-cidr")
    assert parse_cidrs("10.0.0.0/16, fd00:1:0::/56", "--pod-cidr") == "10.0.0.0/16,fd00:1::/56"


def test_one_family_unless_both_are_asked_for_by_name_or_by_a_pair() -> None:
    assert merged().ip_family == "ipv4"
    assert merged().network().six is None
    dual = merged(ip_family="dual")
    assert (dual.ip_family, dual.pod_cidr, dual.service_cidr) == (
        "dual",
        "10.244.0.0/16,fd00:10:244::/56",
        "10.96.0.0/12,fd00:10:96::/112",
    )
    pair = merged(service_cidr="10.50.0.0/16,fd00:50::/112", pod_cidr="10.60.0.0/16")
    assert (pair.ip_family, pair.pod_cidr) == ("dual", "10.60.0.0/16,fd00:10:244::/56")
    six = pair.network().six
    assert six is not None
    assert (str(six.service_cidr), str(pair.network().service_cidr)) == ("fd00:50::/112", "10.50.0.0/16")
    with pytest.raises(UsageError, match="has an IPv6 range, but --ip-family is ipv4"):
        merged(ip_family="ipv4", pod_cidr="10.0.0.0/16,fd00:1::/56")


def test_ranges_of_ipv6_alone_make_a_cluster_of_ipv6_alone() -> None:
    alone = merged(ip_family="ipv6")
    assert (alone.ip_family, alone.pod_cidr, alone.service_cidr) == ("ipv6", "fd00:10:244::/56", "fd00:10:96::/112")
    assert merged(pod_cidr="fd00:50::/56").service_cidr == "fd00:10:96::/112"
    network = alone.network()
    assert list(map(str, network.node_ips(1))) == ["fd00:172:30::b"]
    assert list(map(str, network.pod_cidrs_of(2))) == ["fd00:10:244:2::/64"]
    assert (str(network.kubernetes_ip), alone.dns_ips) == ("fd00:10:96::1", ("fd00:10:96::a",))
    assert (str(network.control_ip), str(network.gateway)) == ("fd00:172:30::1", "172.30.0.1")
    assert [str(some) for some in alone.pool().ranges] == ["fd00:172:30::c8-fd00:172:30::fa"]
    with pytest.raises(UsageError, match=r"--pod-cidr 10\.0\.0\.0/16 has an IPv4 range, but --ip-family is ipv6"):
        merged(ip_family="ipv6", pod_cidr="10.0.0.0/16")
    with pytest.raises(UsageError, match="the cluster has no IPv4"):
        merged(ip_family="ipv6", lb_pool="192.0.2.0/24")
    with pytest.raises(UsageError, match="was created with --ip-family ipv6"):
        merged(stored=alone, has_store=True, ip_family="dual")
    assert merged(stored=alone, has_store=False, ip_family="ipv4") == ClusterConfig("c")


def test_families_stay_while_objects_hold_addresses_from_them() -> None:
    dual = merged(ip_family="dual", pod_cidr="10.50.0.0/16,fd00:50::/56")
    with pytest.raises(UsageError, match=r"was created with --ip-family dual.* down --purge --name c"):
        merged(stored=dual, has_store=True, ip_family="ipv4")
    with pytest.raises(UsageError, match="was created with --ip-family ipv4"):
        merged(stored=ClusterConfig("c"), has_store=True, pod_cidr="10.244.0.0/16,fd00:50::/56")
    with pytest.raises(UsageError, match=r"was created with --pod-cidr 10\.50\.0\.0/16,fd00:50::/56,"):
        merged(stored=dual, has_store=True, pod_cidr="10.50.0.0/16,fd00:51::/56")
    assert merged(stored=dual, has_store=True, ip_family="dual", pod_cidr="10.50.0.0/16") == dual
    assert merged(stored=dual, has_store=True) == dual
    assert merged(stored=dual, has_store=False, ip_family="ipv4").pod_cidr == "10.50.0.0/16"


@pytest.mark.parametrize(
    ("ranges", "why"),
    [
        ("10.244.0.0/16,fd00:10:96::/56", "IPv6 pod CIDR fd00:10:96::/56 overlaps IPv6 service CIDR fd00:10:96::/112"),
        ("10.244.0.0/16,fd00::/16", "IPv6 fabric fd00:172:30::/64 overlaps IPv6 pod CIDR fd00::/16"),
        ("10.244.0.0/16,fd00:1::/64", "IPv6 pod CIDR fd00:1::/64 is too small"),
        ("10.244.0.0/16,fe80::/48", "IPv6 pod CIDR fe80::/48 cannot be used for hosts"),
    ],
)
def test_ipv6_ranges_that_do_not_fit_are_refused_with_their_names(ranges: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        merged(pod_cidr=ranges)


def test_overlapping_ranges_are_both_named() -> None:
    with pytest.raises(UsageError, match=r"10\.96\.0\.0/16 overlaps .*10\.96\.0\.0/12"):
        merged(pod_cidr="10.96.0.0/16")


def test_the_fabric_is_not_to_be_overlapped_either() -> None:
    with pytest.raises(UsageError, match=r"172\.30\.0\.0/24"):
        merged(service_cidr="172.16.0.0/12")


@pytest.mark.parametrize("nodes", [0, -1, 5000])
def test_a_number_of_nodes_that_does_not_fit_is_refused(nodes: int) -> None:
    with pytest.raises(UsageError, match="--nodes"):
        merged(nodes=nodes)


def test_the_api_port_must_lie_outside_the_node_ports() -> None:
    with pytest.raises(UsageError, match="move one of them"):
        merged(api_port=30000)


def test_what_is_not_given_is_as_it_was() -> None:
    stored = ClusterConfig("c", nodes=3, api_port=7000, pod_cidr="10.50.0.0/16")
    assert merged(stored=stored, has_store=True) == stored
    assert merged(stored=stored, has_store=True, nodes=2).nodes == 2


def test_ranges_stay_while_objects_hold_addresses_from_them() -> None:
    stored = ClusterConfig("c", service_cidr="10.97.0.0/16")
    with pytest.raises(UsageError, match="down --purge --name c"):
        merged(stored=stored, has_store=True, service_cidr="10.98.0.0/16")
    assert merged(stored=stored, has_store=False, service_cidr="10.98.0.0/16").service_cidr == "10.98.0.0/16"


def test_settings_survive_the_disk(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert config.load(paths) is None
    made = merged(nodes=3, api_port=7000, node_port_range=(31000, 31100), ip_family="dual")
    config.save(made, paths)
    assert config.load(paths) == made
    assert paths.config.stat().st_mode & 0o777 == 0o600


def test_settings_of_another_version_are_understood_as_far_as_they_go(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.config.write_text('{"name": "c", "nodes": 2, "future": {"x": 1}}')
    assert config.load(paths) == ClusterConfig("c", nodes=2, authorization_mode="AlwaysAllow")


def test_a_cluster_from_before_there_were_roles_keeps_full_rights_until_a_start_says_otherwise(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.config.write_text('{"name": "c"}')
    before = config.load(paths)
    assert merge("c", before, FlagValues(), has_store=True).authorization_mode == "AlwaysAllow"
    switched = merge("c", before, FlagValues(authorization_mode="RBAC"), has_store=True)
    assert switched.authorization_mode == "RBAC"
    config.save(switched, paths)
    assert merge("c", config.load(paths), FlagValues(), has_store=True).authorization_mode == "RBAC"
    assert merge("new", None, FlagValues(), has_store=False).authorization_mode == "RBAC"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *[(text, "") for text in ("", "{", "[]", '"x"', "null")],
        ("{}", "name: is missing"),
        ('{"name": "c", "nodes": "3"}', "nodes: expected an integer, got a string"),
        ('{"name": "c", "nodes": null, "api_port": true}', "nodes: .* got null; api_port: expected an integer"),
        ('{"name": "c", "pod_cidr": "x"}', "invalid pod_cidr "),
        ('{"name": "c", "pod_cidr": "10.244.0.0/16,fd00:10:244::/56"}', "not of the same families"),
        ('{"name": "c", "pod_cidr": "fd00:10:244::/56"}', "not of the same families"),
        ('{"name": "c", "node_port_range": [1, 2, 3]}', "node_port_range: expected a list of 2"),
        ('{"name": "c", "expose_host": [1, "2"]}', r"expose_host\[1\]: expected an integer, got a string"),
        ('{"name": "c", "proxy_mode": "ipvs"}', 'proxy_mode: "ipvs" is not one of nftables, iptables'),
        ('{"name": "c", "store": "mysql"}', "--store"),
    ],
)
def test_a_damaged_file_of_settings_is_one_line_with_the_fault_and_the_cure(
    tmp_path: Path, text: str, why: str
) -> None:
    paths = Paths(tmp_path / "c")
    paths.root.mkdir()
    paths.config.write_text(text)
    with pytest.raises(CommandError, match=rf"cannot read .*config.json: .*{why}.* down --purge --name c"):
        config.load(paths)


def test_node_ports_leave_one_for_the_api() -> None:
    with pytest.raises(UsageError, match="leaves no port for the API"):
        merged(node_port_range=(1, 65535))
    assert merged(node_port_range=(1024, 65535), api_port=443).api_port == 443


def test_exposed_ports_are_tcp_unless_said_otherwise() -> None:
    assert flags.parse_exposed("6379,5353/udp, 5432/tcp,5432") == ((5432, 6379), (5353,))
    assert flags.parse_exposed("none") == ((), ())
    made = ClusterConfig("x", expose_host=(5432,), expose_host_udp=(5353,))
    assert made.exposed == {("TCP", 5432), ("UDP", 5353)}


@pytest.mark.parametrize("text", ["", "http", "70000", "5432/sctp", "5432,,1", "53", "53/udp", "6443"])
def test_an_invalid_exposed_port_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="--expose-host"):
        flags.parse_exposed(text)


def test_an_api_address_is_one_of_the_machines_own() -> None:
    assert flags.parse_api_address("192.0.2.7") == "192.0.2.7"
    assert flags.parse_api_address("2001:db8:0::7") == "2001:db8::7"
    assert flags.parse_api_address("none") == ""
    for text in ("0.0.0.0", "::", "127.0.0.1", "::ffff:127.0.0.1", "224.0.0.1", "here"):
        with pytest.raises(UsageError, match="--api-address"):
            flags.parse_api_address(text)


def test_the_pool_is_kept_and_the_default_comes_back() -> None:
    stored = merge("x", None, FlagValues(lb_pool=flags.parse_lb_pool("172.30.0.240-254")), has_store=False)
    assert str(merge("x", stored, FlagValues(), has_store=True).pool()) == "172.30.0.240-172.30.0.254"
    again = merge("x", stored, FlagValues(lb_pool=flags.parse_lb_pool("default")), has_store=True)
    assert str(again.pool()) == "172.30.0.200-172.30.0.250"


def test_nodes_are_divided_among_the_zones_in_turn() -> None:
    made = merged(nodes=5, zones=2)
    assert [made.zone_of(index) for index in range(1, 6)] == ["zone1", "zone2", "zone1", "zone2", "zone1"]
    assert merged(stored=made, has_store=True).zones == 2
    assert merged(nodes=1).zone_of(1) == ""
    with pytest.raises(UsageError, match="invalid --zones 3: expected a number from 0 to --nodes, which is 2"):
        merged(nodes=2, zones=3)


def test_an_error_says_which_flags_are_settings_of_the_last_start() -> None:
    stored = ClusterConfig("c", api_port=7000)
    with pytest.raises(UsageError, match=r"move one of them \(cluster c keeps --api-port from its last start\)$"):
        merged(stored=stored, node_port_range=(6500, 8000))
    with pytest.raises(UsageError, match=r"move one of them$"):
        merged(stored=stored, node_port_range=(6500, 8000), api_port=7000)
    with pytest.raises(UsageError, match=r"/gone: .*\(cluster c keeps --images from its last start\)$"):
        merged(stored=ClusterConfig("c", images="/gone"))
