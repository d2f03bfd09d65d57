"""Derives the setup of a node's proxy in one address family from the settings. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network

from fairlead.base.dataclass import dataclass, replace
from fairlead.net.family import IPV4, IPV6
from fairlead.proxy.planning.proxierconfig import ProxierConfig, TrafficDetector, of_family
from fairlead.proxy.settings.config import SYNC_PERIOD_S, ProxyConfig
from fairlead.service.node import NodeView

_ALL = {IPV4: "0.0.0.0/0", IPV6: "::/0"}
_LOOPBACK = {IPV4: "127.0.0.0/8", IPV6: "::1/128"}


@dataclass(frozen=True, slots=True)
class Setup:
    mode: str
    proxier: ProxierConfig
    min_sync_s: float = 0.0
    sync_s: float = SYNC_PERIOD_S


def node_port_ranges(config: ProxyConfig, node: NodeView) -> tuple[str, ...]:
    """Returns the ranges of the node's family at whose addresses node ports answer; empty: all except loopback."""
    family = node.family
    words = {"primary": str(node.ip), "localhost": _LOOPBACK[family], "all": _ALL[family]}
    ranges = of_family((words.get(text, text) for text in config.node_ports), family)
    if family is not IPV4 or config.localhost is None:
        return ranges
    if config.localhost:
        return of_family((*ranges, _LOOPBACK[IPV4]), IPV4) if ranges else (_ALL[IPV4],)
    return tuple(part for text in ranges for part in _without_loopback(text))


def _without_loopback(text: str) -> tuple[str, ...]:
    network, loopback = IPv4Network(text), IPv4Network(_LOOPBACK[IPV4])
    if network.subnet_of(loopback):
        return ()
    if not network.overlaps(loopback):
        return (text,)
    return tuple(str(part) for part in sorted(network.address_exclude(loopback)))


def set_up(config: ProxyConfig, base: ProxierConfig, node: NodeView) -> Setup:
    """Returns the setup of a proxy with these settings and the base configuration `base`."""
    proxier = replace(base, masquerade_all=config.masquerade_all, node_ports=node_port_ranges(config, node))
    return Setup(config.mode, proxier, config.min_sync_s, config.sync_s)


def detector_of(config: ProxyConfig, node: NodeView) -> TrafficDetector:
    """Returns the detector of external clients for a standalone proxy, as upstream's `detectLocalMode` says."""
    own = (str(node.pod_cidr),) if node.pod_cidr is not None else ()
    cluster = of_family(config.cluster_cidrs, node.family)
    match config.detect_local:
        case "BridgeInterface" | "InterfaceNamePrefix":
            return TrafficDetector(pod_links=config.link)
        case "ClusterCIDR":
            return TrafficDetector(pods=cluster)
        case "NodeCIDR":
            return TrafficDetector(pods=own)
        case _:
            return TrafficDetector(pods=cluster or own)
