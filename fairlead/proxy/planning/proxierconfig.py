"""What a proxy is told of where it works, in one address family: the same for every backend. Pure.

A backend is made for one site. Where the site changes (settings, or what a Node object says of itself) there is a new
backend, which takes over from the one before it like any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from fairlead.net.family import IPV4, Family
from fairlead.net.model import ClusterNetwork
from fairlead.net.topology.plan import NODE_LINK
from fairlead.proxy.planning.nodes import service_range


@dataclass(frozen=True, slots=True)
class TrafficDetector:
    """Which packets that come in to a node are of clients elsewhere: neither of its Pods nor of the node itself.

    At most one is set (upstream's `detectLocalMode`). None: nobody knows, so that no client of a cluster IP is taken
    for one from outside, and every client of an address that keeps traffic on its node is.
    """

    link: str = ""
    """Those that come in by this link."""
    pods: tuple[str, ...] = ()
    """Those whose source is in none of these ranges."""
    pod_links: str = ""
    """Those that come in by no link whose name begins so."""

    @property
    def known(self) -> bool:
        return bool(self.link or self.pods or self.pod_links)


@dataclass(frozen=True, slots=True)
class ProxierConfig:
    family: Family = IPV4
    detector: TrafficDetector = field(default_factory=TrafficDetector)
    services: tuple[str, ...] = ()
    """The ranges of cluster IPs, as far as they are known: what no Service claims there is refused."""
    masquerade_all: bool = False
    """Every client of a cluster IP is masqueraded, not only those from outside."""
    node_ports: tuple[str, ...] = ()
    """The ranges of the node's own addresses at which node ports answer. Empty: all addresses but loopback's."""

    @property
    def localhost(self) -> bool:
        """Whether node ports answer on the node's 127.0.0.1. Needs `route_localnet`; IPv6 has nothing like it."""
        return self.family is IPV4 and any(ip_network(text).overlaps(_LOOPBACK) for text in self.node_ports)

    def has_node_ports(self, ip: str) -> bool:
        """Whether node ports answer at this address of the node."""
        here = ip_network(ip)
        if not self.node_ports:
            return not here.is_loopback
        return any(here.subnet_of(ip_network(text)) for text in self.node_ports)  # type: ignore[arg-type]


_LOOPBACK = IPv4Network("127.0.0.0/8")


def of_family(texts: Iterable[str], family: Family) -> tuple[str, ...]:
    """Those of the family, as few ranges as say the same, in order."""
    found: list[IPv4Network | IPv6Network] = [ip_network(text, strict=False) for text in texts if family.has(text)]
    return tuple(str(network) for network in collapse_addresses(found))  # type: ignore[type-var]


def cluster_proxier(network: ClusterNetwork, family: Family = IPV4) -> ProxierConfig:
    """In a cluster of this program's own. Raises ValueError where it does not have the family."""
    return ProxierConfig(family, TrafficDetector(link=NODE_LINK), (str(service_range(network, family)),))


def with_ranges(proxier: ProxierConfig, ranges: Iterable[str]) -> ProxierConfig:
    """With these ranges of cluster IPs beside those that it has."""
    return replace(proxier, services=of_family((*proxier.services, *ranges), proxier.family))
