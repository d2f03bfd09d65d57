"""The nodes of a cluster made by Fairlead, as the proxies see them: every address follows from the network's plan."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

from fairlead.net.family import IPV4, Family
from fairlead.net.model import ClusterNetwork
from fairlead.service.node import NodeView


def node_view(name: str, ip: IPv4Address, network: ClusterNetwork) -> NodeView:
    index = network.index_of(ip)
    own = (str(ip), str(network.pod_gateway(index)))
    return NodeView(name, ip, network.pod_cidr_of(index), addresses=own)


def node_views(name: str, ip: IPv4Address, network: ClusterNetwork) -> list[NodeView]:
    """Returns the view of the node in each family that the cluster has."""
    views = [] if network.only_six else [node_view(name, ip, network)]
    if network.six is not None:
        index, six = network.index_of(ip), network.six
        own = six.node_ip(index)
        views.append(NodeView(name, own, six.pod_cidr_of(index), addresses=(str(own),)))
    return views


def service_range(network: ClusterNetwork, family: Family) -> IPv4Network | IPv6Network:
    """Returns the range of cluster IPs. Raises ValueError if the cluster does not have the family."""
    if family is IPV4:
        return network.service_cidr
    if network.six is None:
        raise ValueError("the cluster has no IPv6 ranges")
    return network.six.service_cidr
