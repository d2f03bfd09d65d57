"""The endpoints of a Service's port that take connections, and their nodes."""

from __future__ import annotations

from fairlead.api.core.service.kind import ServicePort
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from fairlead.service.endpoints import choose, serving_nodes
from tests.proxy.objects import node

PORT = ServicePort(name="web", port=80, protocol="TCP")
READY, ENDING, GONE = (
    EndpointConditions(ready=True),
    EndpointConditions(ready=False, serving=True, terminating=True),
    EndpointConditions(ready=False),
)


def piece(*endpoints: Endpoint, kind: str = "IPv4", name: str = "web") -> EndpointSlice:
    return EndpointSlice(addressType=kind, endpoints=list(endpoints), ports=[EndpointPort(name=name, port=8080)])


def endpoint(ip: str, node: str | None, conditions: EndpointConditions = READY) -> Endpoint:
    return Endpoint(addresses=[ip], nodeName=node, conditions=conditions)


def chosen(slices: list[EndpointSlice]) -> list[tuple[str, int]]:
    return [(target.ip, target.port) for target in choose(PORT, slices, node=node()).cluster]


def test_targets_are_ready_endpoints_of_port_and_family_or_else_terminating_ones() -> None:
    ending, gone = endpoint("10.244.1.3", "node3", ENDING), endpoint("10.244.1.4", "node4", GONE)
    six = piece(endpoint("fd00::2", "node6"), kind="IPv6")
    other = piece(endpoint("10.244.1.9", "node9"), name="other")
    last = [piece(ending, gone), six, other]
    assert chosen(last) == [("10.244.1.3", 8080)]
    assert serving_nodes(PORT, last, "IPv4") == {"node3"}
    assert serving_nodes(PORT, last, "IPv6") == {"node6"}
    both = [*last, piece(endpoint("10.244.1.2", "node2"), endpoint("10.244.1.5", None))]
    assert [ip for ip, _ in chosen(both)] == ["10.244.1.2", "10.244.1.5"]
    assert serving_nodes(PORT, both, "IPv4") == {"node2", ""}
    assert serving_nodes(PORT, [piece(gone)], "IPv4") == frozenset()


def test_a_terminating_endpoint_serves_unless_serving_is_false() -> None:
    """Excludes an endpoint only if `serving` is false, as upstream does."""
    unsaid, no = (
        EndpointConditions(ready=False, terminating=True),
        EndpointConditions(ready=False, serving=False, terminating=True),
    )
    assert chosen([piece(endpoint("10.244.1.3", "node3", unsaid))]) == [("10.244.1.3", 8080)]
    assert serving_nodes(PORT, [piece(endpoint("10.244.1.3", "node3", unsaid))], "IPv4") == {"node3"}
    assert chosen([piece(endpoint("10.244.1.3", "node3", no))]) == []
