"""Which elements of the proxy's table a Service is, on one node. Pure; one small function for each traffic path.

A Service is planned alone: what it needs does not depend on other Services, so an event costs what one Service costs,
however many there are. Cluster IPs that nobody serves have no elements, and the table's fixed rules refuse; other
addresses, which might be somebody else's too, are refused by an element of their own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network, collapse_addresses, ip_network

from fairlead.api.backends import has_address, has_node_ports
from fairlead.api.endpointslice import EndpointSlice
from fairlead.api.service import Service, ServicePort
from fairlead.net.family import Family
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.model import Chain, Elements
from fairlead.proxy import rules
from fairlead.proxy.endpoints import Chosen, NodeView, Target, arranged, canonical, choose
from fairlead.proxy.rules import Door

OTHER_PROXY_LABEL = "service.kubernetes.io/service-proxy-name"
DEFAULT_AFFINITY_S = 10800
"""Upstream's default of `sessionAffinityConfig.clientIP.timeoutSeconds`."""

_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}
_ID_BIT = 1 << 31
"""Set in the ids of endpoints that clients stick to, so that no id is a slot."""


@dataclass(frozen=True, slots=True)
class Frontend:
    """An address or node port that a Service answers on, as seen from this node."""

    door: Door
    key: str
    external: bool = True
    """Not a cluster IP."""
    restricted: bool = False
    """Only for the Service's load balancer's clients."""


_List = tuple[int, bool]
"""A port's index, and whether the list is of the targets on this node."""
_MANY = 16
"""From here on targets keep their slots while others come and go: one more would else move half of the others."""


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What one Service needs: chains, which may be there already, and elements."""

    chains: Mapping[str, Chain] = field(default_factory=dict)
    elements: Elements = field(default_factory=dict)
    no_local: frozenset[str] = frozenset()
    """The traffic that finds no endpoint on this node and may go to no other: `internal`, `external`."""
    orders: Mapping[_List, tuple[Target, ...]] = field(default_factory=dict)
    """Which targets have which slots, where they are many."""


NOTHING = ServicePlan()


def plan_service(
    service: Service | None, slices: Iterable[EndpointSlice], *, node: NodeView, before: ServicePlan = NOTHING
) -> ServicePlan:
    """The plan of one Service from its slices; `NOTHING` where it needs none. `before` is the one to change from."""
    if service is None or not has_address(service) or OTHER_PROXY_LABEL in service.metadata.labels:
        return NOTHING
    known = list(slices)
    draft = _Draft(service)
    for index, port in enumerate(service.spec.ports):
        protocol = _PROTOCOLS.get(port.protocol or "TCP")
        if protocol is None:
            continue
        chosen = draft.ordered(index, choose(port, known, node=node), before)
        for frontend in frontends(service, port, protocol, node=node):
            draft.add(frontend, chosen)
    _add_balanced(draft, service, node.family)
    return draft.plan()


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
    index = network.index_of(ip)
    own = (str(ip), str(network.pod_gateway(index)))
    return NodeView(name, ip, network.pod_cidr_of(index), addresses=own)


def node_views(name: str, ip: IPv4Address, network: ClusterNetwork) -> list[NodeView]:
    """The node in each family that the cluster has."""
    views = [node_view(name, ip, network)]
    if network.six is not None:
        index, six = network.index_of(ip), network.six
        own = six.node_ip(index)
        views.append(NodeView(name, own, six.pod_cidr_of(index), addresses=(str(own),)))
    return views


def is_sticky(service: Service) -> bool:
    return service.spec.sessionAffinity == "ClientIP"


def affinity_timeout_s(service: Service) -> int:
    config = service.spec.sessionAffinityConfig
    if config is None or config.clientIP is None or not config.clientIP.timeoutSeconds:
        return DEFAULT_AFFINITY_S
    return config.clientIP.timeoutSeconds


def frontends(service: Service, port: ServicePort, protocol: str, *, node: NodeView) -> Iterator[Frontend]:
    """Where this node takes the port's connections."""
    door = rules.address_door(node.family)
    for ip in _of_family(service.spec.clusterIPs or [service.spec.clusterIP], node.family):
        yield Frontend(door, f"{protocol} . {ip} . {port.port}", external=False)
    for ip in _of_family(service.spec.externalIPs, node.family):
        yield Frontend(door, f"{protocol} . {ip} . {port.port}")
    for ip in balanced(service, node.family):
        yield Frontend(door, f"{protocol} . {ip} . {port.port}", restricted=True)
    if port.nodePort and has_node_ports(service):
        yield Frontend(rules.node_door(node.family), f"{protocol} . {port.nodePort}")


def balanced(service: Service, family: Family) -> list[str]:
    """The addresses that its load balancer gave it and that nodes see; not those that the balancer itself answers."""
    if service.spec.type != "LoadBalancer":
        return []
    points = service.status.loadBalancer.ingress
    return _of_family((p.ip for p in points if p.ip and p.ipMode in (None, "VIP")), family)


def source_ranges(service: Service, family: Family) -> list[str] | None:
    """From where its load balancer's addresses may be reached; None where from everywhere."""
    texts = [text.strip() for text in service.spec.loadBalancerSourceRanges]
    if not texts:
        return None
    found: list[IPv4Network | IPv6Network] = []
    for text in texts:
        try:
            found.append(ip_network(text, strict=False))
        except ValueError:
            continue
    of_family = [n for n in found if (n.version == 6) == (family.table == "ip6")]
    if any(n.prefixlen == 0 for n in of_family):
        return None
    return [_render_range(n) for n in collapse_addresses(of_family)]  # type: ignore[type-var]


def _render_range(network: IPv4Network | IPv6Network) -> str:
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)


def _of_family(ips: Iterable[str], family: Family) -> list[str]:
    return [ip for text in ips if family.has(text) and (ip := canonical(text, family))]


def _add_balanced(draft: _Draft, service: Service, family: Family) -> None:
    for ip in balanced(service, family):
        draft.put(rules.BALANCED, ip, "")


class _Draft:
    """A plan in the making."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sticky = is_sticky(service)
        self._chains: dict[str, Chain] = {}
        self._elements: dict[str, dict[str, str]] = {}
        self._no_local: set[str] = set()
        self._orders: dict[_List, tuple[Target, ...]] = {}

    def plan(self) -> ServicePlan:
        if not self._elements:
            return NOTHING
        return ServicePlan(self._chains, self._elements, frozenset(self._no_local), self._orders)

    def ordered(self, index: int, chosen: Chosen, before: ServicePlan) -> Chosen:
        """With the targets in the places that they had before."""
        if len(chosen.cluster) < _MANY:
            return chosen
        lists = []
        for local, targets in ((False, chosen.cluster), (True, chosen.local)):
            old = before.orders.get((index, local))
            self._orders[index, local] = arranged(targets, old) if old else targets
            lists.append(self._orders[index, local])
        return Chosen(*lists)

    def put(self, container: str, key: str, value: str) -> None:
        held = self._elements.get(container)
        if held is None:
            held = self._elements[container] = {}
        held[key] = value

    def add(self, frontend: Frontend, chosen: Chosen) -> None:
        """What takes a connection to the frontend to one of the port's endpoints, or refuses it."""
        spec = self._service.spec
        if frontend.restricted:
            self._restrict(frontend)
        if not chosen.cluster:
            if frontend.external:
                self.put(frontend.door.map(rules.UNSERVED), frontend.key, "")
            return
        if self._sticky:
            self._remember(frontend)
        if not frontend.external:
            local = spec.internalTrafficPolicy == "Local"
            self._lead(rules.SERVICES, frontend, self._spread(frontend, chosen.local if local else chosen.cluster))
        elif spec.externalTrafficPolicy == "Local":
            self._lead(rules.SERVICES, frontend, rules.near(self._spread(frontend, chosen.cluster)))
            self._lead(rules.OUTSIDE, frontend, self._spread(frontend, chosen.local, local=True))
        else:
            self._lead(rules.SERVICES, frontend, rules.masquerading(self._spread(frontend, chosen.cluster)))
        for target in (*chosen.cluster, *chosen.local):
            if target.local:
                self.put(rules.HAIRPIN, f"{target.ip} . {target.ip}", "")

    def _lead(self, container: str, frontend: Frontend, chain: Chain) -> None:
        if chain is rules.DROP:
            self._no_local.add("external" if frontend.external else "internal")
        self._chains[chain.name] = chain
        self.put(frontend.door.map(container), frontend.key, chain.number)

    def _restrict(self, frontend: Frontend) -> None:
        ranges = source_ranges(self._service, frontend.door.family)
        if ranges is None:
            return
        self.put(rules.RESTRICTED, frontend.key, "")
        for text in ranges:
            self.put(rules.ALLOWED, f"{frontend.key} . {text}", "")

    def _remember(self, frontend: Frontend) -> None:
        way = rules.timeout(frontend.door, affinity_timeout_s(self._service))
        self._chains.update((chain.name, chain) for chain in way)
        self.put(frontend.door.map(rules.TIMEOUTS), frontend.key, f"goto {way[-1].name}")

    def _spread(self, frontend: Frontend, targets: Sequence[Target], *, local: bool = False) -> Chain:
        """The chain that sends to one of the targets, with the elements that it looks up."""
        if not targets:
            return rules.DROP
        door, offset = frontend.door, rules.LOCAL_SLOT if local else 0
        way = (rules.sticky if self._sticky else rules.slots)(door, len(targets), local=local)
        self._chains.update((chain.name, chain) for chain in way)
        slots = [f"{frontend.key} . {mark(slot + offset)}" for slot in range(len(targets))]
        if self._sticky:
            ids = [mark(number | offset) for number in _stable_ids(targets)]
            for slot, number in zip(slots, ids, strict=True):
                self.put(door.map(rules.PICKS), slot, number)
            slots = [f"{frontend.key} . {number}" for number in ids]
        for slot, target in zip(slots, targets, strict=True):
            self.put(door.map(rules.ENDPOINTS), slot, f"{target.ip} . {target.port}")
        return way[-1]


def _stable_ids(targets: Sequence[Target]) -> Iterator[int]:
    """A number for each that does not depend on the others, and is no slot; the bit of local lists is left free."""
    taken: set[int] = set()
    for target in targets:
        number = _as_id(zlib.crc32(f"{target.ip}:{target.port}".encode()))
        while number in taken:
            number = _as_id(number + 1)
        taken.add(number)
        yield number


def _as_id(number: int) -> int:
    return (number & 0xFFFFFFFF & ~rules.LOCAL_SLOT) | _ID_BIT


@lru_cache(maxsize=8192)
def mark(number: int) -> str:
    return rules.mark(number)
