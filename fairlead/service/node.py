"""The node for which a Service's endpoints are chosen, in one address family."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from fairlead.api.discovery.endpointslice.kind import Endpoint
from fairlead.base.dataclass import dataclass
from fairlead.net.family import Family, of_version


@dataclass(frozen=True, slots=True)
class NodeView:
    name: str
    ip: IPv4Address | IPv6Address
    pod_cidr: IPv4Network | IPv6Network | None = None
    """The range of the node's Pods, if it has one."""
    zone: str = ""
    addresses: tuple[str, ...] = ()
    """All of the node's own."""

    @property
    def family(self) -> Family:
        return of_version(self.ip.version)


def is_local(endpoint: Endpoint, node: NodeView) -> bool:
    """Returns whether the endpoint is on the node. Without a node's name its address decides."""
    if endpoint.nodeName:
        return endpoint.nodeName == node.name
    return node.pod_cidr is not None and ip_address(endpoint.addresses[0]) in node.pod_cidr
