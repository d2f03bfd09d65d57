"""The published ports of a Service, the host's ports that they may get, and the annotation."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.core.service.kind import LoadBalancerIngress, Service, ServicePort
from fairlead.api.discovery.endpointslice.kind import EndpointPort, EndpointSlice
from fairlead.net.model import Network6
from fairlead.relay.plan import (
    ANY_IPV6,
    Networks,
    PublishedPort,
    Route,
    candidates,
    parse_urls,
    published_ports,
    render_urls,
    targets,
    url,
)
from tests.proxy.objects import NETWORK, endpoint, node_port_service, port, service, slice_of, sticky

ADDRESS = "172.30.0.200"
NODE_PORTS = range(30000, 32768)
KEY = "default/web"


def balanced(ip: str = ADDRESS, **spec: Any) -> Service:
    made = service(**({"type": "LoadBalancer"} | spec))
    made.status.loadBalancer.ingress = [LoadBalancerIngress(ip=ip, ipMode="VIP")]
    return made


def found(wanted: Service | None, **changes: Any) -> dict[PublishedPort, str]:
    routes = published_ports(wanted, [slice_of("10.244.1.2", **changes)], networks=[NETWORK.fabric])
    return {published: route.address for published, route in routes.items()}


def published_node_port(number: int) -> PublishedPort:
    return PublishedPort("", "TCP", number)


def test_a_node_port_is_a_published_port_that_any_node_is_behind() -> None:
    assert found(node_port_service(30080)) == {published_node_port(30080): ""}


def test_a_balancers_port_is_a_published_port_to_its_address_beside_its_node_port() -> None:
    with_both = balanced(ports=[port(nodePort=30080)])
    assert found(with_both) == {published_node_port(30080): "", PublishedPort(KEY, "TCP", 80): ADDRESS}
    assert found(balanced()) == {PublishedPort(KEY, "TCP", 80): ADDRESS}


def test_datagrams_have_published_ports_too() -> None:
    udp = [EndpointPort(port=53, protocol="UDP", name="")]
    wanted = balanced(ports=[port(53, protocol="UDP", nodePort=30053)])
    assert found(wanted, ports=udp) == {PublishedPort("", "UDP", 30053): "", PublishedPort(KEY, "UDP", 53): ADDRESS}


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        service(),
        service(type="LoadBalancer"),
        balanced("192.0.2.1"),
        balanced("web.example.com"),
        node_port_service(30080, ports=[port(nodePort=30080, name="b")]),
        node_port_service(30080, ports=[port(nodePort=30080, protocol="SCTP")]),
    ],
    ids=["gone", "cluster ip", "pending", "an address elsewhere", "no address", "nobody serves", "sctp"],
)
def test_nothing_else_is_a_published_port(wanted: Service | None) -> None:
    assert found(wanted) == {}


def test_a_balancers_published_port_is_asked_for_by_its_own_number_then_by_another_one_and_then_anywhere() -> None:
    assert list(candidates(PublishedPort(KEY, "TCP", 80), 0, taken=NODE_PORTS)) == [80, 8081, 0]
    assert list(candidates(PublishedPort(KEY, "TCP", 80), 5000, taken=NODE_PORTS)) == [5000, 80, 8081, 0]
    assert list(candidates(PublishedPort(KEY, "TCP", 80), 80, taken=NODE_PORTS)) == [80, 8081, 0]
    assert list(candidates(PublishedPort(KEY, "TCP", 30001), 0, taken=NODE_PORTS)) == [38001, 0]
    assert list(candidates(PublishedPort(KEY, "TCP", 65000), 0, taken=NODE_PORTS)) == [65000, 0]
    assert list(candidates(published_node_port(30080), 0, taken=NODE_PORTS)) == [30080]


def test_no_balancer_is_published_on_the_port_that_kubectl_asks_without_a_kubeconfig() -> None:
    assert list(candidates(PublishedPort(KEY, "TCP", 8080), 0, taken=NODE_PORTS)) == [16080, 0]
    assert list(candidates(PublishedPort(KEY, "TCP", 80), 8080, taken=NODE_PORTS)) == [80, 8081, 0]


def test_the_annotation_names_the_published_port_of_each_port_and_reads_back() -> None:
    wanted = balanced(ports=[port(name="http"), port(443, name="https"), port(53, name="dns", protocol="UDP"), port(9)])
    ports = {
        PublishedPort(KEY, "TCP", 80): 80,
        PublishedPort(KEY, "TCP", 443): 8443,
        PublishedPort(KEY, "UDP", 53): 8053,
        PublishedPort("another/web", "TCP", 9): 9,
    }
    text = render_urls(wanted, ports)
    assert text == "80/TCP=http://127.0.0.1,443/TCP=https://127.0.0.1:8443,53/UDP=udp://127.0.0.1:8053"
    assert parse_urls(text) == {"80/TCP": 80, "443/TCP": 8443, "53/UDP": 8053}


def test_a_node_ports_url_has_its_number() -> None:
    assert render_urls(node_port_service(30080), {published_node_port(30080): 30080}) == "80/TCP=http://127.0.0.1:30080"


@pytest.mark.parametrize(
    "text", ["", "nonsense", "80/TCP=", "80/TCP=http://127.0.0.1:0", "=,=", "80/TCP=http://a:99999"]
)
def test_an_annotation_that_makes_no_sense_is_no_port(text: str) -> None:
    assert parse_urls(text) == {}


@pytest.mark.parametrize(
    ("wanted", "scheme"),
    [
        (port(80), "http"),
        (port(443), "https"),
        (port(5432), "tcp"),
        (port(9999, name="https-web"), "https"),
        (port(9999, name="web"), "http"),
        (port(443, name="web"), "https"),
        (port(80, appProtocol="https"), "https"),
        (port(80, appProtocol="kubernetes.io/h2c"), "http"),
        (port(80, appProtocol="mysql"), "tcp"),
        (port(80, protocol="UDP"), "udp"),
    ],
)
def test_the_scheme_is_what_is_likely_spoken(wanted: ServicePort, scheme: str) -> None:
    assert url(wanted, 9).partition("://")[0] == scheme


def test_ipv6_is_for_what_has_no_ipv4() -> None:
    def both(wanted: Service, *slices: EndpointSlice, six: bool = True) -> dict[PublishedPort, str]:
        networks: Networks = [NETWORK.fabric, Network6().fabric] if six else [NETWORK.fabric]
        return {
            published: route.address for published, route in published_ports(wanted, slices, networks=networks).items()
        }

    four, six = slice_of("10.244.1.2"), slice_of("fd00:10:244:1::2", addressType="IPv6")
    node_port, shop = node_port_service(30080), balanced("fd00:172:30::c8")
    assert both(node_port, six) == {published_node_port(30080): ANY_IPV6}
    assert both(node_port, six, four) == {published_node_port(30080): ""}
    assert both(node_port, six, six=False) == {}
    assert both(shop, six) == {PublishedPort(KEY, "TCP", 80): "fd00:172:30::c8"}
    shop.status.loadBalancer.ingress.append(LoadBalancerIngress(ip=ADDRESS, ipMode="VIP"))
    assert both(shop, six, four) == {PublishedPort(KEY, "TCP", 80): ADDRESS}
    nodes = {"node1": ["172.30.0.11", "fd00:172:30::b"], "node2": ["172.30.0.12", "fd00:172:30::c"]}
    over_six = targets(Route(ANY_IPV6), 80, nodes=nodes, turn=1, tries=3)
    assert over_six == [("fd00:172:30::c", 80), ("fd00:172:30::b", 80)]
    assert targets(Route(), 80, nodes=nodes, turn=0, tries=3) == [("172.30.0.11", 80), ("172.30.0.12", 80)]


FOUR = {name: [name.upper()] for name in "abcd"}


def dialled(route: Route, turn: int = 1) -> str:
    return "".join(ip for ip, _ in targets(route, 30080, nodes=FOUR, turn=turn, tries=2))


def test_nodes_take_turns_and_an_address_is_tried_again() -> None:
    assert [dialled(Route(), turn) for turn in range(3)] == ["ABCD", "BCDA", "CDAB"]
    assert dialled(Route(ADDRESS)) == ADDRESS * 2


def test_nodes_with_serving_endpoints_come_first() -> None:
    assert [dialled(Route(nodes=frozenset("bd")), turn) for turn in range(3)] == ["BDAC", "DBCA", "BDAC"]


def test_clients_that_are_to_come_back_go_to_the_same_node() -> None:
    assert {dialled(Route(always_same=True), turn) for turn in range(4)} == {"ABCD"}
    assert {dialled(Route(nodes=frozenset("cd"), always_same=True), turn) for turn in range(4)} == {"CDAB"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Route("", frozenset({"node1", "node2"}))),
        ({"externalTrafficPolicy": "Local"}, Route("", frozenset({"node1", "node2"}))),
        (sticky(), Route("", always_same=True)),
        (
            {"externalTrafficPolicy": "Local"} | sticky(),
            Route("", frozenset({"node1", "node2"}), always_same=True),
        ),
    ],
    ids=["plain", "Local", "sticky", "Local and sticky"],
)
def test_a_route_has_the_serving_nodes_and_the_session_affinity(fields: dict[str, Any], expected: Route) -> None:
    ready = [endpoint("10.244.1.2", node_name="node1"), endpoint("10.244.2.2", node_name="node2")]
    nobody = endpoint("10.244.3.2", ready=False, node_name="node3")
    routes = published_ports(node_port_service(**fields), [slice_of(*ready, nobody)], networks=[NETWORK.fabric])
    assert routes == {published_node_port(30080): expected}
