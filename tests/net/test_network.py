"""The address plan: who gets what, and which plans are refused in which words."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from fairlead.net.model import ClusterNetwork, host_interface


def network(**changes: str) -> ClusterNetwork:
    ranges: dict[str, Any] = {name: IPv4Network(value) for name, value in changes.items()}
    return replace(ClusterNetwork(), **ranges)


def test_the_default_plan_is_the_documented_one() -> None:
    plan = ClusterNetwork()
    plan.validate(nodes=3)
    assert (str(plan.gateway), str(plan.node_ip(1)), str(plan.node_ip(3))) == (
        "172.30.0.1",
        "172.30.0.11",
        "172.30.0.13",
    )
    assert (str(plan.pod_cidr_of(2)), str(plan.pod_gateway(2))) == ("10.244.2.0/24", "10.244.2.1")
    assert (str(plan.kubernetes_ip), str(plan.dns_ips[0])) == ("10.96.0.1", "10.96.0.10")


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (network(pod_cidr="10.96.0.0/16"), "pod CIDR 10.96.0.0/16 overlaps service CIDR 10.96.0.0/12"),
        (network(pod_cidr="172.16.0.0/12"), "fabric 172.30.0.0/24 overlaps pod CIDR 172.16.0.0/12"),
        (network(service_cidr="172.30.0.0/24"), "fabric 172.30.0.0/24 overlaps service CIDR 172.30.0.0/24"),
        (network(pod_cidr="10.1.0.0/28"), "pod CIDR 10.1.0.0/28 is too small: it must be /24 or larger"),
        (network(service_cidr="10.1.0.0/30"), "service CIDR 10.1.0.0/30 is too small: it must be /27 or larger"),
        (network(pod_cidr="127.0.0.0/16"), "pod CIDR 127.0.0.0/16 cannot be used for hosts"),
        (ClusterNetwork(node_port_range=(300, 200)), "node port range 300-200 must lie between 1 and 65535"),
    ],
)
def test_a_bad_plan_is_refused_with_the_ranges_named(plan: ClusterNetwork, text: str) -> None:
    with pytest.raises(ValueError, match="^" + text.replace(".", r"\.")):
        plan.validate()


def test_more_nodes_than_the_ranges_hold_are_refused() -> None:
    with pytest.raises(ValueError, match=r"16 nodes do not fit: pod CIDR 10.1.0.0/24 and fabric .* hold 1 to 15"):
        network(pod_cidr="10.1.0.0/24").validate(nodes=16)


@pytest.mark.parametrize("cidr", ["10.244.0.0/16", "10.0.0.0/9", "10.1.0.0/20", "10.1.0.0/22", "10.1.0.0/24"])
def test_node_ranges_lie_in_the_pod_cidr_and_do_not_overlap(cidr: str) -> None:
    plan = network(pod_cidr=cidr)
    ranges = [plan.pod_cidr_of(i) for i in range(1, plan.max_nodes + 1)]
    assert all(r.subnet_of(plan.pod_cidr) for r in ranges)
    assert len(set(ranges)) == len(ranges) >= 15
    assert plan.node_ip(plan.max_nodes) < IPv4Address("172.30.0.200")


def test_host_interface_names_fit_the_kernel_and_follow_from_the_uid() -> None:
    assert host_interface("a") == host_interface("a") != host_interface("b")
    assert len(host_interface("a").encode()) == 15
