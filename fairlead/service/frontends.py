"""The frontends of a Service on a node: addresses, node ports, source ranges, affinity.

Addresses of frontends are in the form in which the kernel's tools print them (`endpoints.canonical`), so that they
compare equal to what is read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import NamedTuple

from fairlead.api.core.service.predicates import AFFINITY_TIMEOUT_S, is_load_balancer, may_have_node_ports
from fairlead.api.core.service.spec import ServicePort
from fairlead.api.core.service.types import Service
from fairlead.net.family import Family
from fairlead.service.decisions import DEFAULT_PROTOCOL
from fairlead.service.endpoints import canonical
from fairlead.service.members import has_cluster_ip, is_proxied

_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}


class Frontend(NamedTuple):
    """An address, or a port at every address of the node, on which a Service's port answers."""

    protocol: str
    """`tcp`, `udp` or `sctp`."""
    ip: str
    """Empty for a node port."""
    port: int
    external: bool = True
    """Not a cluster IP."""
    restricted: bool = False
    """Restricted to the clients that `source_ranges` names, if it names any."""


def has_frontends(service: Service) -> bool:
    """Returns whether the Service has addresses at which nodes take its connections."""
    return has_cluster_ip(service) and is_proxied(service)


def has_node_ports(service: Service) -> bool:
    return has_cluster_ip(service) and may_have_node_ports(service.spec)


def frontends(service: Service, port: ServicePort, *, family: Family) -> Iterator[Frontend]:
    """Yields where a node takes the connections of one of the Service's ports, in one family."""
    protocol = _PROTOCOLS.get(port.protocol or DEFAULT_PROTOCOL)
    if protocol is None:
        return
    for ip in _of_family(service.spec.clusterIPs or [service.spec.clusterIP], family):
        yield Frontend(protocol, ip, port.port, external=False)
    for ip in _of_family(service.spec.externalIPs, family):
        yield Frontend(protocol, ip, port.port)
    for ip in load_balancer_vips(service, family):
        yield Frontend(protocol, ip, port.port, restricted=True)
    if port.nodePort and has_node_ports(service):
        yield Frontend(protocol, "", port.nodePort)


def load_balancer_ips(service: Service) -> tuple[str, ...]:
    """Returns the addresses that the Service's load balancer gave it."""
    return tuple(point.ip for point in service.status.loadBalancer.ingress if point.ip)


def load_balancer_vips(service: Service, family: Family | None = None) -> list[str]:
    """Returns the load balancer's addresses that nodes answer for, in one family, or in both as written. Addresses
    of the `Proxy` mode are the balancer's own."""
    if not is_load_balancer(service.spec):
        return []
    ips = [p.ip for p in service.status.loadBalancer.ingress if p.ip and (p.ipMode or "VIP") == "VIP"]
    return ips if family is None else _of_family(ips, family)


def source_ranges(service: Service, family: Family) -> list[str] | None:
    """Returns the source ranges allowed to reach the load balancer's addresses; None means all."""
    texts = [text.strip() for text in service.spec.loadBalancerSourceRanges]
    if not texts:
        return None
    ranges: list[IPv4Network | IPv6Network] = []
    for text in texts:
        try:
            ranges.append(ip_network(text, strict=False))
        except ValueError:
            continue
    of_family = [n for n in ranges if (n.version == 6) == (family.table == "ip6")]
    if any(n.prefixlen == 0 for n in of_family):
        return None
    return [_render_range(n) for n in collapse_addresses(of_family)]  # type: ignore[type-var]


def is_sticky(service: Service) -> bool:
    return service.spec.sessionAffinity == "ClientIP"


def keeps_external_traffic(service: Service) -> bool:
    """Returns whether connections from outside go to endpoints of the node that takes them, and to no others."""
    return service.spec.externalTrafficPolicy == "Local"


def keeps_internal_traffic(service: Service) -> bool:
    """Returns whether connections to the cluster IP stay on the client's node."""
    return service.spec.internalTrafficPolicy == "Local"


def affinity_timeout_s(service: Service) -> int:
    config = service.spec.sessionAffinityConfig
    if config is None or config.clientIP is None or not config.clientIP.timeoutSeconds:
        return AFFINITY_TIMEOUT_S
    return config.clientIP.timeoutSeconds


def _render_range(network: IPv4Network | IPv6Network) -> str:
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)


def _of_family(ips: Iterable[str], family: Family) -> list[str]:
    return [ip for text in ips if family.has(text) and (ip := canonical(text, family))]
