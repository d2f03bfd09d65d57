"""Proxy, relay, DNS, API server, load balancer and CLI agree on a Service's endpoints, whatever its slices hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.core.service.kind import LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort, ServiceStatus
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from fairlead.base.addresses import FamilyName
from fairlead.cli.services import published_ports as listed
from fairlead.dns.config import Config
from fairlead.dns.protocol.wire import pack_address
from fairlead.dns.zones.records import Service as SmallService
from fairlead.dns.zones.records import Slice as SmallSlice
from fairlead.dns.zones.records import reduce_service, reduce_slice
from fairlead.dns.zones.zone import Zone
from fairlead.loadbalancer.announcer.plan import desired_addresses
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.proxy.planning.backend import Source, UdpFrontend
from fairlead.proxy.planning.nodes import node_views
from fairlead.proxy.server.health import service_check
from fairlead.relay.plan import PublishedPort
from fairlead.relay.plan import published_ports as exposed
from fairlead.service.endpoints import ready_addresses, serving_nodes
from fairlead.service.node import NodeView
from tests.proxy.backends import BOTH, IPTABLES, NFTABLES, bring, proxier_of
from tests.proxy.objects import service as service_of
from tests.proxy.objects import slice_of

NODES = ("node1", "node2")
PORTS = [ServicePort(name="a", port=80, protocol="UDP", nodePort=30080), ServicePort(name="b", port=81, protocol="UDP")]
VIPS: dict[Family, str] = {IPV4: "10.96.0.10", IPV6: "fd00:10:96::10"}

said = st.sampled_from([None, True, False])
conditions = st.builds(EndpointConditions, ready=said, serving=said, terminating=said)
numbers = st.sampled_from([[8080, 8081], [8080], [8081], []])


@st.composite
def pieces(draw: st.DrawFn) -> EndpointSlice:
    family = draw(st.sampled_from(["IPv4", "IPv6"]))
    base = {"IPv4": "10.244.9.", "IPv6": "fd00:10:244::"}[family]
    found = draw(st.lists(st.integers(1, 6), unique=True, max_size=3))
    return slice_of(
        *(
            Endpoint(
                addresses=[f"{base}{n}"],
                conditions=draw(conditions),
                nodeName=draw(st.sampled_from([*NODES, None])),
            )
            for n in found
        ),
        ports=[EndpointPort(name="ab"[n - 8080], port=n, protocol="UDP") for n in draw(numbers)],
        addressType=family,
    )


def service(**spec: Any) -> Service:
    fields = {"type": "LoadBalancer", "ports": PORTS, "clusterIPs": [*VIPS.values()], "ipFamilies": ["IPv4", "IPv6"]}
    made = service_of(**(fields | spec))
    made.status = ServiceStatus(loadBalancer=LoadBalancerStatus(ingress=[LoadBalancerIngress(ip="172.30.0.200")]))
    return made


def views(name: str) -> list[NodeView]:
    return node_views(name, BOTH.node_ip(NODES.index(name) + 1), BOTH)


def having(slices: Iterable[EndpointSlice], port: ServicePort) -> list[tuple[str, Endpoint]]:
    """The endpoints that have the port, with their family."""
    return [(s.addressType, e) for s in slices if any(p.name == port.name for p in s.ports) for e in s.endpoints]


def ready(endpoint: Endpoint) -> bool:
    return endpoint.conditions.ready in (None, True)


def serve(slices: Sequence[EndpointSlice], port: ServicePort, family: FamilyName) -> list[Endpoint]:
    """Upstream's rule, written down a second time."""
    found = [endpoint for kind, endpoint in having(slices, port) if kind == family]
    ending = [e for e in found if e.conditions.serving in (None, True) and e.conditions.terminating is True]
    return [e for e in found if ready(e)] or ending


some_slices = st.lists(pieces(), max_size=4)


def found_by_dns(made: Service, slices: Sequence[EndpointSlice]) -> set[bytes]:
    zone = Zone(Config())
    small = reduce_service(msgspec.convert(msgspec.to_builtins(made), SmallService))
    for index, piece in enumerate(slices):
        reduced = reduce_slice(msgspec.convert(msgspec.to_builtins(piece), SmallSlice))
        zone.put_slice(f"default/web-{index}", reduced)
    return set(zone.addresses("default/web", small))


@given(some_slices)
def test_every_proxy_sends_to_the_endpoints_that_serve(slices: list[EndpointSlice]) -> None:
    made = service(type="NodePort")
    for kind in (NFTABLES, IPTABLES):
        for view in views("node1"):
            backend, _ = kind.fake(proxier_of(view.family))
            bring(backend, {"default/web": Source(made, slices)}, view, whole=True)
            for port in PORTS:
                numbers = [8080 + PORTS.index(port)]
                wanted = {(e.addresses[0], n) for e in serve(slices, port, view.family.name) for n in numbers}
                assert set(backend.endpoints_of(UdpFrontend(VIPS[view.family], port.port)) or ()) == wanted
                if port.nodePort:
                    assert set(backend.endpoints_of(UdpFrontend("", port.nodePort)) or ()) == wanted


@given(some_slices)
def test_the_relay_opens_what_the_proxies_serve_and_leads_to_the_nodes_of_these_endpoints(
    slices: list[EndpointSlice],
) -> None:
    opened = exposed(service(), slices, networks=(*BOTH.fabrics,))
    for port in PORTS:
        nodes = {f: {e.nodeName or "" for e in serve(slices, port, f.name)} for f in (IPV4, IPV6)}
        for family, names in nodes.items():
            assert serving_nodes(port, slices, family.name) == names
        if port.nodePort:
            published = opened.get(PublishedPort("", "UDP", port.nodePort))
            assert (published is not None) == any(nodes.values())
            assert published is None or published.nodes == (nodes[IPV4] or nodes[IPV6]) - {""}


@given(some_slices)
def test_the_command_line_shows_what_the_relay_opens(slices: list[EndpointSlice]) -> None:
    tree = msgspec.to_builtins(service(type="NodePort"))
    for port, published in zip(PORTS, listed([tree], [msgspec.to_builtins(s) for s in slices]), strict=True):
        unserved = not any(serve(slices, port, family) for family in ("IPv4", "IPv6"))
        assert (published.trouble == "no Pod is ready") == unserved


@given(some_slices)
def test_dns_and_the_api_servers_proxy_name_the_ready_endpoints(slices: list[EndpointSlice]) -> None:
    headless = service(type="ClusterIP", clusterIP="None", clusterIPs=["None"])
    for port in PORTS:
        wanted = {e.addresses[0] for _, e in having(slices, port) if ready(e)}
        assert {ip for ip, _ in ready_addresses(port.name, slices)} == wanted
    every = [endpoint for piece in slices for endpoint in piece.endpoints]
    assert found_by_dns(headless, slices) == {pack_address(e.addresses[0]) for e in every if ready(e)}
    unready = service(type="ClusterIP", clusterIP="None", clusterIPs=["None"], publishNotReadyAddresses=True)
    assert found_by_dns(unready, slices) == {pack_address(e.addresses[0]) for e in every}


@given(some_slices)
def test_the_nodes_that_announce_an_address_are_those_whose_health_check_counts_endpoints(
    slices: list[EndpointSlice],
) -> None:
    for piece in slices:
        for endpoint in piece.endpoints:
            endpoint.nodeName = endpoint.nodeName or "node3"
    made = service(externalTrafficPolicy="Local", healthCheckNodePort=31000)
    (desired,) = desired_addresses(made, slices)
    assert desired.nodes is not None
    for name in NODES:
        checks = [service_check(made, slices, node=view) for view in views(name)]
        assert any(check.endpoints for check in checks if check is not None) == (name in desired.nodes)
