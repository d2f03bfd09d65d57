"""Where a Service answers, as its node sees it: addresses, node ports, and what matters about each. Pure.

What every backend needs to know of a Service besides its endpoints, said once. Addresses are in the form in which the
kernel's tools print them (`endpoints.canonical`), so that they compare equal to what is read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import NamedTuple

from fairlead.api.backends import has_address, has_node_ports, is_proxied
from fairlead.api.core.service.kind import Service, ServicePort
from fairlead.net.family import Family
from fairlead.proxy.endpoints import canonical

DEFAULT_AFFINITY_S = 10800
"""Upstream's default of `sessionAffinityConfig.clientIP.timeoutSeconds`."""

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
    """Only for those whom `source_ranges` names, where it names anybody."""


def is_ours(service: Service | None) -> bool:
    """Whether the Service has addresses that this proxy answers for."""
    return service is not None and has_address(service) and is_proxied(service)


def frontends(service: Service, port: ServicePort, *, family: Family) -> Iterator[Frontend]:
    """Where a node takes the connections of one of the Service's ports, in one family."""
    protocol = _PROTOCOLS.get(port.protocol or "TCP")
    if protocol is None:
        return
    for ip in _of_family(service.spec.clusterIPs or [service.spec.clusterIP], family):
        yield Frontend(protocol, ip, port.port, external=False)
    for ip in _of_family(service.spec.externalIPs, family):
        yield Frontend(protocol, ip, port.port)
    for ip in balanced(service, family):
        yield Frontend(protocol, ip, port.port, restricted=True)
    if port.nodePort and has_node_ports(service):
        yield Frontend(protocol, "", port.nodePort)


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


def is_sticky(service: Service) -> bool:
    return service.spec.sessionAffinity == "ClientIP"


def affinity_timeout_s(service: Service) -> int:
    config = service.spec.sessionAffinityConfig
    if config is None or config.clientIP is None or not config.clientIP.timeoutSeconds:
        return DEFAULT_AFFINITY_S
    return config.clientIP.timeoutSeconds


def _render_range(network: IPv4Network | IPv6Network) -> str:
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)


def _of_family(ips: Iterable[str], family: Family) -> list[str]:
    return [ip for text in ips if family.has(text) and (ip := canonical(text, family))]
