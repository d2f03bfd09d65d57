"""Who may be connected to behind a Service's port, and on which nodes they are."""

from __future__ import annotations

import random

from fairlead.api.backends import Backend, backends, serving_nodes
from fairlead.api.core.service.kind import ServicePort
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointConditions, EndpointPort, EndpointSlice

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


def test_ready_ones_of_the_port_and_family_and_ending_ones_where_none_is_ready() -> None:
    ending, gone = endpoint("10.244.1.3", "node3", ENDING), endpoint("10.244.1.4", "node4", GONE)
    six = piece(endpoint("fd00::2", "node6"), kind="IPv6")
    other = piece(endpoint("10.244.1.9", "node9"), name="other")
    last = [piece(ending, gone), six, other]
    assert backends(PORT, last) == [Backend("10.244.1.3", 8080)]
    assert serving_nodes(PORT, last) == {"node3"}
    assert serving_nodes(PORT, last, "IPv6") == {"node6"}
    both = [*last, piece(endpoint("10.244.1.2", "node2"), endpoint("10.244.1.5", None))]
    assert [b.ip for b in backends(PORT, both)] == ["10.244.1.2", "10.244.1.5"]
    assert serving_nodes(PORT, both) == {"node2", ""}
    assert serving_nodes(PORT, [piece(gone)]) == frozenset()


def test_an_ending_endpoint_serves_unless_it_says_that_it_does_not() -> None:
    """As upstream: only `serving: false` takes it out."""
    unsaid, no = (
        EndpointConditions(ready=False, terminating=True),
        EndpointConditions(ready=False, serving=False, terminating=True),
    )
    assert backends(PORT, [piece(endpoint("10.244.1.3", "node3", unsaid))]) == [Backend("10.244.1.3", 8080)]
    assert serving_nodes(PORT, [piece(endpoint("10.244.1.3", "node3", unsaid))]) == {"node3"}
    assert backends(PORT, [piece(endpoint("10.244.1.3", "node3", no))]) == []


def test_the_nodes_are_those_of_the_backends() -> None:
    rng = random.Random(4)
    for _ in range(300):
        slices = [
            piece(
                *(
                    endpoint(f"10.244.1.{n}", rng.choice(("a", "b", None)), rng.choice((READY, ENDING, GONE, GONE)))
                    for n in rng.sample(range(2, 9), rng.randrange(4))
                ),
                name=rng.choice(("web", "other")),
                kind=rng.choice(("IPv4", "")),
            )
            for _ in range(rng.randrange(3))
        ]
        seen = {(b.ip, b.node) for b in backends(PORT, slices)}
        nodes = {e.nodeName or "" for s in slices for e in s.endpoints if any(e.addresses[0] == ip for ip, _ in seen)}
        assert {node for _, node in seen} <= serving_nodes(PORT, slices) <= nodes
