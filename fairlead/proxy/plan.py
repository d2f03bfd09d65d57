"""Which elements of the proxy's table a Service is, on one node. Pure; one small function for each traffic path.

A Service is planned alone: what it needs does not depend on other Services, so an event costs what one Service costs,
however many there are. Where nothing serves, there are no elements, and the table's fixed rules refuse.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from fairlead.api.backends import Backend, backends, has_address, has_node_ports, is_ipv4
from fairlead.api.endpointslice import EndpointSlice
from fairlead.api.service import Service, ServicePort
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.model import Chain, Elements
from fairlead.proxy import rules

OTHER_PROXY_LABEL = "service.kubernetes.io/service-proxy-name"
DEFAULT_AFFINITY_S = 10800
"""Upstream's default of `sessionAffinityConfig.clientIP.timeoutSeconds`."""

_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}
_ID_BIT = 1 << 31
"""Set in the ids of endpoints that clients stick to, so that no id is a slot."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """The node that is planned for."""

    name: str
    ip: IPv4Address
    pod_cidr: IPv4Network


@dataclass(frozen=True, slots=True)
class Frontend:
    """An address that a Service answers on, as seen from this node."""

    ip: str
    port: int
    masquerade: bool = False


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What one Service needs: chains, which may be there already, and elements."""

    chains: Mapping[str, Chain] = field(default_factory=dict)
    elements: Elements = field(default_factory=dict)


NOTHING = ServicePlan()


def plan_service(service: Service | None, slices: Iterable[EndpointSlice], *, node: NodeView) -> ServicePlan:
    """The plan of one Service from its slices; `NOTHING` where it has no cluster IP or nobody serves."""
    if service is None or not has_address(service) or OTHER_PROXY_LABEL in service.metadata.labels:
        return NOTHING
    known = list(slices)
    chains: dict[str, Chain] = {}
    elements: dict[str, dict[str, str]] = {}
    for port in service.spec.ports:
        protocol = _PROTOCOLS.get(port.protocol or "TCP")
        targets = backends(port, known)
        if protocol is None or not targets:
            continue
        for frontend in frontends(service, port, node=node):
            way_in = _entry(service, len(targets), frontend)
            chains.update((chain.name, chain) for chain in way_in)
            key = f"{protocol} . {frontend.ip} . {frontend.port}"
            elements.setdefault(rules.SERVICES, {})[key] = f"goto {way_in[-1].name}"
            spread = _sticky_slots if is_sticky(service) else _plain_slots
            for container, slot, value in spread(key, targets):
                elements.setdefault(container, {})[slot] = value
        for backend in targets:
            if is_local(backend, node):
                elements.setdefault(rules.HAIRPIN, {})[f"{backend.ip} . {backend.ip}"] = ""
    return ServicePlan(chains, elements) if elements else NOTHING


def desired(
    services: Mapping[str, Service], slices: Mapping[str, Sequence[EndpointSlice]], *, node: NodeView
) -> ServicePlan:
    """The plans of all Services in one (keys of both are the Service's `namespace/name`)."""
    chains: dict[str, Chain] = {}
    elements: dict[str, dict[str, str]] = {}
    for key in sorted(services):
        plan = plan_service(services[key], slices.get(key, ()), node=node)
        chains.update(plan.chains)
        for container, held in plan.elements.items():
            elements.setdefault(container, {}).update(held)
    return ServicePlan(chains, elements)


def node_view(name: str, ip: IPv4Address, network: ClusterNetwork) -> NodeView:
    return NodeView(name, ip, network.pod_cidr_of(network.index_of(ip)))


def is_local(backend: Backend, node: NodeView) -> bool:
    return backend.node == node.name or IPv4Address(backend.ip) in node.pod_cidr


def is_sticky(service: Service) -> bool:
    return service.spec.sessionAffinity == "ClientIP"


def affinity_timeout_s(service: Service) -> int:
    config = service.spec.sessionAffinityConfig
    if config is None or config.clientIP is None or not config.clientIP.timeoutSeconds:
        return DEFAULT_AFFINITY_S
    return config.clientIP.timeoutSeconds


def frontends(service: Service, port: ServicePort, *, node: NodeView) -> Iterator[Frontend]:
    """Where this node takes the port's connections."""
    for ip in service.spec.clusterIPs or [service.spec.clusterIP]:
        if is_ipv4(ip):
            yield Frontend(ip, port.port)
    if port.nodePort and has_node_ports(service):
        yield Frontend(str(node.ip), port.nodePort, masquerade=True)


def _entry(service: Service, count: int, frontend: Frontend) -> tuple[Chain, ...]:
    """The chains that a connection to the frontend passes; the last one is where it enters."""
    inner = rules.sticky(count, affinity_timeout_s(service)) if is_sticky(service) else rules.slots(count)
    return (*inner, rules.masquerading(inner[-1].name)) if frontend.masquerade else inner


def _plain_slots(key: str, targets: Sequence[Backend]) -> Iterator[tuple[str, str, str]]:
    for slot, backend in enumerate(targets):
        yield rules.ENDPOINTS, f"{key} . {_mark(slot)}", f"{backend.ip} . {backend.port}"


def _sticky_slots(key: str, targets: Sequence[Backend]) -> Iterator[tuple[str, str, str]]:
    taken: set[int] = set()
    for slot, backend in enumerate(targets):
        number = zlib.crc32(f"{backend.ip}:{backend.port}".encode()) | _ID_BIT
        while number in taken:
            number = ((number + 1) & 0xFFFFFFFF) | _ID_BIT
        taken.add(number)
        yield rules.PICKS, f"{key} . {_mark(slot)}", _mark(number)
        yield rules.ENDPOINTS, f"{key} . {_mark(number)}", f"{backend.ip} . {backend.port}"


def _mark(number: int) -> str:
    return f"0x{number & 0xFFFFFFFF:08x}"
