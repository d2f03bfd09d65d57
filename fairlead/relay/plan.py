"""Decides the ports that a Service publishes on the host, and their URLs. Pure.

A node port is published under the same number or not at all, because clients expect that number. A port of a load
balancer's address is published under its number if that is free on the host, else under another one; the Service's
annotation shows which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Literal

from fairlead.api import schemes
from fairlead.api.core.service.kind import Service, ServicePort
from fairlead.api.core.service.predicates import is_load_balancer
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.api.schemes import scheme_of
from fairlead.base.addresses import FamilyName
from fairlead.base.dataclass import dataclass
from fairlead.base.keys import key_of
from fairlead.base.numbers import port_number
from fairlead.service.endpoints import serving_nodes
from fairlead.service.frontends import has_node_ports, is_sticky, keeps_external_traffic

_ANOTHER = 8000
"""Added to a port that is not available on the host: 53 becomes 8053 and 443 becomes 8443."""
KUBECTL_PORT = 8080
"""The port that kubectl asks on localhost without a kubeconfig. A Service there answers with pages that kubectl reports
as errors of the API, so no load balancer's port is published under this number; 80 becomes 8081."""
_DEFAULT = {"http": "80", "https": "443"}


ANY_IPV6 = "::"
Networks = Sequence[IPv4Network | IPv6Network]


@dataclass(frozen=True, slots=True, order=True)
class PublishedPort:
    """A port to listen on at the host. `service` is empty for a node port, which may move between Services."""

    service: str
    protocol: Literal["TCP", "UDP"]
    port: int

    @property
    def is_node_port(self) -> bool:
        return not self.service

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Route:
    """The destination of a published port's connections."""

    address: str = ""
    """Empty: an IPv4 address of any node; `ANY_IPV6`: an IPv6 address of any node, for a Service without IPv4."""
    nodes: frozenset[str] = frozenset()
    """Nodes with a serving endpoint: a connection to these needs no second hop. On other nodes it is dropped if the
    Service keeps traffic on its node."""
    always_same: bool = False
    """Session affinity: each node remembers its clients, so the same node must be used each time."""


def published_ports(
    service: Service | None, slices: Iterable[EndpointSlice], *, networks: Networks
) -> Mapping[PublishedPort, Route]:
    """Returns the ports to publish. A port without a serving endpoint is not published: a refused connection tells
    a client more than one that is accepted and dropped."""
    if service is None or not has_node_ports(service):
        return {}
    known = list(slices)
    sticky = is_sticky(service)
    # With session affinity a client must return to its node, also if another node has endpoints now.
    nearest = keeps_external_traffic(service) or not sticky
    routes: dict[PublishedPort, Route] = {}
    for port in service.spec.ports:
        protocol = _protocol(port)
        serving = ((family, serving_nodes(port, known, family)) for family in _families(networks))
        family, there = next(((family, some) for family, some in serving if some), (None, frozenset()))
        if protocol is None or family is None:
            continue
        if port.nodePort:
            nodes = there - {""} if nearest else frozenset()
            any_node = ANY_IPV6 if family == "IPv6" else ""
            routes[PublishedPort("", protocol, port.nodePort)] = Route(any_node, nodes, always_same=sticky)
        if address := _balancer_address(service, [n for n in networks if _family(n) == family]):
            routes[PublishedPort(key_of(service.metadata), protocol, port.port)] = Route(address)
    return routes


def _families(networks: Networks) -> list[FamilyName]:
    return sorted({_family(network) for network in networks})


def _family(network: IPv4Network | IPv6Network) -> FamilyName:
    return "IPv6" if network.version == 6 else "IPv4"


def _balancer_address(service: Service, networks: Networks) -> str:
    """Returns the load balancer's address on the fabric or in a range routed there; the sandbox reaches no other."""
    if not is_load_balancer(service.spec):
        return ""
    return next((p.ip for p in service.status.loadBalancer.ingress if _is_in(p.ip, networks)), "")


def candidates(published: PublishedPort, remembered: int, *, taken: range) -> Iterator[int]:
    """Yields the host's port numbers to try, the best first; 0 means any. `taken`: the range of node ports."""
    if published.is_node_port:
        yield published.port
        return
    another = published.port + _ANOTHER
    numbers = dict.fromkeys((remembered, published.port, another + 1 if another == KUBECTL_PORT else another))
    yield from (port for port in numbers if 0 < port <= 65535 and port not in taken and port != KUBECTL_PORT)
    yield 0


def render_urls(service: Service, ports: Mapping[PublishedPort, int]) -> str:
    """Renders the annotation: for each port the load balancer's published port, else the node port's. `ports`: the
    published ports that are open, or were when an endpoint last served."""
    entries = []
    for port in service.spec.ports:
        protocol = _protocol(port)
        if protocol is None:
            continue
        number = (
            ports.get(PublishedPort(key_of(service.metadata), protocol, port.port))
            if is_load_balancer(service.spec)
            else None
        )
        if number is None and port.nodePort:
            number = ports.get(PublishedPort("", protocol, port.nodePort))
        if number is not None:
            entries.append(f"{port.port}/{protocol}={url(port, number)}")
    return ",".join(entries)


def parse_urls(text: str) -> Mapping[str, int]:
    """Parses the annotation: `80/TCP` -> the port on the host. Malformed entries are skipped."""
    numbers = {}
    for entry in text.split(","):
        port, _, address = entry.partition("=")
        scheme, _, place = address.partition("://")
        number = port_number(place.partition(":")[2] or _DEFAULT.get(scheme, ""))
        if number is not None:
            numbers[port] = number
    return numbers


def url(port: ServicePort, number: int) -> str:
    name, spoken = port.name, port.appProtocol or ""
    scheme = scheme_of(port.port, protocol=port.protocol, name=name, app_protocol=spoken)
    return schemes.url(scheme, "127.0.0.1", number)


def targets(
    route: Route, port: int, *, nodes: Mapping[str, Sequence[str]], turn: int, tries: int
) -> list[tuple[str, int]]:
    """Returns the addresses to dial, in order: a load balancer's address `tries` times, since it may be moving;
    else the nodes with a serving endpoint, rotated by `turn`, then the other nodes. `nodes`: addresses of both
    families by node name."""
    if route.address not in ("", ANY_IPV6):
        return [(route.address, port)] * tries
    near = [name for name in nodes if name in route.nodes]
    far = [name for name in nodes if name not in route.nodes]
    turn = 0 if route.always_same else turn
    ordered = [*_turned(near, turn), *_turned(far, turn)]
    return [(ip, port) for name in ordered for ip in nodes[name] if (":" in ip) == (route.address == ANY_IPV6)]


def _turned(names: Sequence[str], turn: int) -> Sequence[str]:
    first = turn % len(names) if names else 0
    return [*names[first:], *names[:first]]


def _protocol(port: ServicePort) -> Literal["TCP", "UDP"] | None:
    match port.protocol:
        case "UDP":
            return "UDP"
        case "" | "TCP":
            return "TCP"
        case _:
            return None


def _is_in(text: str, networks: Networks) -> bool:
    try:
        return any(ip_address(text) in network for network in networks)
    except ValueError:
        return False
