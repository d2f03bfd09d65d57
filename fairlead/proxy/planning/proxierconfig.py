"""The configuration of a proxy for its network, in one address family: the same for every backend. Pure.

A backend is made for one configuration. If it changes (by settings, or by the Node object), a new backend is made,
which takes over from the one before like any other."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from fairlead.base.dataclass import dataclass, field, replace
from fairlead.net.family import IPV4, Family
from fairlead.net.model import ClusterNetwork
from fairlead.net.topology.plan import NODE_LINK
from fairlead.proxy.planning.nodes import service_range


@dataclass(frozen=True, slots=True)
class TrafficDetector:
    """Detects packets from clients outside the node, that is, neither from its Pods nor from the node itself.

    At most one field is set (upstream's `detectLocalMode`). If none is set, clients cannot be told apart: no client
    of a cluster IP counts as external, and every client of an address that keeps traffic on its node does."""

    link: str = ""
    """External packets come in by this link."""
    pods: tuple[str, ...] = ()
    """External packets have a source outside all of these ranges."""
    pod_links: str = ""
    """External packets come in by a link whose name does not begin with this prefix."""

    @property
    def known(self) -> bool:
        return bool(self.link or self.pods or self.pod_links)


@dataclass(frozen=True, slots=True)
class ProxierConfig:
    family: Family = IPV4
    detector: TrafficDetector = field(default_factory=TrafficDetector)
    services: tuple[str, ...] = ()
    """The known ranges of cluster IPs: unclaimed addresses in them are refused."""
    masquerade_all: bool = False
    """Masquerade every client of a cluster IP, not only external ones."""
    node_ports: tuple[str, ...] = ()
    """Ranges of the node's addresses at which node ports answer. Empty: all addresses except loopback."""

    @property
    def localhost(self) -> bool:
        """Returns whether node ports answer on the node's 127.0.0.1. Needs `route_localnet`, which IPv6 does not
        have."""
        return self.family is IPV4 and any(ip_network(text).overlaps(_LOOPBACK) for text in self.node_ports)

    def has_node_ports(self, ip: str) -> bool:
        """Returns whether node ports answer at this address of the node."""
        here = ip_network(ip)
        if not self.node_ports:
            return not here.is_loopback
        return any(here.subnet_of(ip_network(text)) for text in self.node_ports)  # type: ignore[arg-type]


_LOOPBACK = IPv4Network("127.0.0.0/8")


def of_family(texts: Iterable[str], family: Family) -> tuple[str, ...]:
    """Returns the ranges of the family, merged into as few as possible, in order."""
    networks: list[IPv4Network | IPv6Network] = [ip_network(text, strict=False) for text in texts if family.has(text)]
    return tuple(str(network) for network in collapse_addresses(networks))  # type: ignore[type-var]


def cluster_proxier(network: ClusterNetwork, family: Family = IPV4) -> ProxierConfig:
    """Returns the configuration for a cluster made by Fairlead. Raises ValueError if it does not have the family."""
    return ProxierConfig(family, TrafficDetector(link=NODE_LINK), (str(service_range(network, family)),))


def with_ranges(proxier: ProxierConfig, ranges: Iterable[str]) -> ProxierConfig:
    """Returns the configuration with these ranges of cluster IPs added."""
    return replace(proxier, services=of_family((*proxier.services, *ranges), proxier.family))
