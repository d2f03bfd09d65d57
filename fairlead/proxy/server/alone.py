"""Derives the configuration of a standalone proxy, for a node of any cluster, from the Node object. Pure.

Addresses are the Node's InternalIPs (else its ExternalIPs), the first of each family. Pods are detected by the
Node's podCIDRs or by the cluster's range, as upstream's `detectLocalMode` says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

from fairlead.api.core.node.kind import Node
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.proxy.planning.proxierconfig import ProxierConfig, of_family
from fairlead.proxy.settings.config import ProxyConfig
from fairlead.proxy.sync.setup import detector_of
from fairlead.service.node import NodeView
from fairlead.service.wellknown import ZONE_LABEL


def node_views(node: Node, config: ProxyConfig) -> list[NodeView]:
    """Returns the node's view in each family with an address; empty if the Node object has none yet."""
    return [view for family in (IPV4, IPV6) if (view := _view(node, config, family)) is not None]


def _view(node: Node, config: ProxyConfig, family: Family) -> NodeView | None:
    own = [ip for kind in ("InternalIP", "ExternalIP") for ip in _addresses(node, kind) if family.has(ip)]
    if config.node_ip and family.has(config.node_ip):
        own = [config.node_ip, *(ip for ip in own if ip != config.node_ip)]
    if not own:
        return None
    pods = of_family(_good_ranges(node.spec.podCIDRs or [node.spec.podCIDR]), family)
    return NodeView(
        node.metadata.name,
        ip_address(own[0]),
        ip_network(pods[0]) if pods else None,
        zone=node.metadata.labels.get(ZONE_LABEL, ""),
        addresses=tuple(str(ip_address(ip)) for ip in own),
    )


def _addresses(node: Node, kind: str) -> Iterable[str]:
    return (a.address for a in node.status.addresses if a.type == kind and _is_good(a.address))


def _good_ranges(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if _is_good(text)]


def _is_good(text: str) -> bool:
    """Returns whether the text is an address or a range."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def base_proxier(view: NodeView, config: ProxyConfig, services: Sequence[str]) -> ProxierConfig:
    """Returns the base configuration. `services`: the ranges of cluster IPs, of both families, as known from the
    API."""
    return ProxierConfig(view.family, detector_of(config, view), of_family(services, view.family))
