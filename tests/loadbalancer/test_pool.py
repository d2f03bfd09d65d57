"""The notation of a pool, and the ranges of the cluster that it must not overlap."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from fairlead.loadbalancer.pool import BadPool, default_pool, off_fabric, parse_pool, problem
from fairlead.net.model import ClusterNetwork, Network6

FOUR, DUAL = ClusterNetwork(), ClusterNetwork(six=Network6())


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("172.30.0.200-172.30.0.250", "172.30.0.200-172.30.0.250"),
        ("172.30.0.200-250", "172.30.0.200-172.30.0.250"),
        ("fd00:172:30::c8-fa", "fd00:172:30::c8-fd00:172:30::fa"),
        ("192.168.7.224/28", "192.168.7.225-192.168.7.238"),
        ("192.168.7.224/31", "192.168.7.224-192.168.7.225"),
        ("192.0.2.7/32, 2001:db8::/126", "192.0.2.7-192.0.2.7,2001:db8::-2001:db8::3"),
    ],
)
def test_a_pool_is_ranges_or_networks_of_either_family(text: str, same: str) -> None:
    assert str(parse_pool(text)) == same
    assert parse_pool(same) == parse_pool(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "invalid address range"),
        ("172.30.0.250-200", "invalid address range: 172.30.0.250-172.30.0.200"),
        ("192.168.7.1/24", "has host bits set"),
        ("10.1.0.1-fd00::1", "invalid address range"),
        ("many", "write it as 172.30.0.200-172.30.0.250, or as 192.168.7.224/28"),
        ("10.1.0.1-9,10.1.0.9-10", "10.1.0.1-10.1.0.9 and 10.1.0.9-10.1.0.10 overlap"),
        ("127.0.0.0/24", "127.0.0.0/8 is reserved for other purposes"),
        ("ff02::1-2", "ff00::/8 is reserved for other purposes"),
        ("::ffff:10.0.0.0/120", "::ffff:0:0/96 is reserved for other purposes"),
    ],
)
def test_an_invalid_pool_is_an_error(text: str, why: str) -> None:
    with pytest.raises(BadPool) as caught:
        parse_pool(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.244.3.1-9", "10.244.3.1-10.244.3.9 overlaps the Pods' range 10.244.0.0/16"),
        ("10.0.0.0/8", "overlaps the Pods' range 10.244.0.0/16"),
        ("10.96.7.0/24", "overlaps the Services' range 10.96.0.0/12"),
        ("172.30.0.190-210", "overlaps the nodes' range 172.30.0.0/24, of which 172.30.0.200-172.30.0.254 may be used"),
        ("172.30.0.200-255", "of which 172.30.0.200-172.30.0.254 may be used"),
        ("172.30.0.0/16", "overlaps the nodes' range 172.30.0.0/24"),
        ("fd00:10:96::100-110", "overlaps the Services' range fd00:10:96::/112"),
        ("fd00:10:244:1::/120", "overlaps the Pods' range fd00:10:244::/56"),
        ("fd00:172:30::/120", "of which fd00:172:30::c8-fd00:172:30::fe may be used"),
    ],
)
def test_a_pool_that_runs_into_a_range_of_the_cluster_is_refused_by_name(text: str, why: str) -> None:
    assert why in problem(parse_pool(text), DUAL)


@pytest.mark.parametrize(
    "text", ["172.30.0.240-254", "192.168.7.0/24", "192.168.7.9-9,fd00:172:30::fe-fe,2001:db8::/64"]
)
def test_what_is_free_or_the_users_own_may_be_used(text: str) -> None:
    assert problem(parse_pool(text), DUAL) == ""


def test_a_cluster_without_ipv6_has_no_use_for_such_addresses() -> None:
    assert "the cluster has no IPv6 (--ip-family dual" in problem(parse_pool("2001:db8::/126"), FOUR)


def test_the_default_is_on_the_fabric_in_each_family_that_there_is() -> None:
    assert str(default_pool(FOUR)) == "172.30.0.200-172.30.0.250"
    assert str(default_pool(DUAL)) == "172.30.0.200-172.30.0.250,fd00:172:30::c8-fd00:172:30::fa"
    for network in (FOUR, DUAL):
        assert problem(default_pool(network), network) == ""


def test_only_what_is_not_on_the_fabric_needs_a_way_of_its_own() -> None:
    some = parse_pool("172.30.0.210-220,192.168.7.8-15,192.168.7.17-17,fd00:172:30::c8-fa")
    assert off_fabric(some, DUAL) == (ip_network("192.168.7.8/29"), ip_network("192.168.7.17/32"))
