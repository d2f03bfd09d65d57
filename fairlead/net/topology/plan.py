"""The plan of the cluster's links, addresses and routes, as netlink messages."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from fairlead.base.dataclass import dataclass
from fairlead.net.model import POD_GATEWAY6, ClusterNetwork
from fairlead.net.netlink.model import (
    LOOPBACK,
    Message,
    add_address,
    add_bridge,
    add_route,
    add_veth,
    set_routing,
    set_up,
)

FABRIC_LINK = "fabric0"
NODE_LINK = "eth0"
POD_LINK = "eth0"
LEG = 2
"""The index of `eth0` in nodes and in Pods."""

FABRIC_INDEX = 10
_FIRST_NODE_INDEX = 100
_FIRST_POD_INDEX = 1 << 20
_DEFAULT_ROUTE = IPv4Network("0.0.0.0/0")
_DEFAULT_ROUTE6 = IPv6Network("::/0")


@dataclass(frozen=True, slots=True)
class PodAddresses:
    """The addresses of a Pod: at least one of the two families; the IPv4 address comes with the node's side of its
    link."""

    ip: IPv4Address | None = None
    gateway: IPv4Address | None = None
    ip6: IPv6Address | None = None

    @property
    def first(self) -> IPv4Address | IPv6Address:
        """Returns the first address. Raises ValueError if there is none."""
        address = self.ip or self.ip6
        if address is None:
            raise ValueError("the pod has no address")
        return address


def fabric(network: ClusterNetwork) -> list[Message]:
    """Makes the fabric, in the sandbox's namespace."""
    address, six = IPv4Interface((network.gateway, network.fabric.prefixlen)), network.six
    return [
        set_up(LOOPBACK),
        add_bridge(FABRIC_LINK, FABRIC_INDEX),
        add_address(FABRIC_INDEX, address),
        *([add_address(FABRIC_INDEX, IPv6Interface((six.gateway, six.fabric.prefixlen)))] if six else ()),
        set_routing(FABRIC_INDEX),
        *(add_route(block, link=FABRIC_INDEX) for block in network.balancers if block.version == 4 or six),
    ]


def node_link(index: int, netns: int) -> list[Message]:
    """Makes the node's link to the fabric, from the sandbox's namespace."""
    name, number = f"node{index}", _FIRST_NODE_INDEX + index
    return [
        add_veth(name, number, peer_name=NODE_LINK, peer_index=LEG, peer_netns=netns, master=FABRIC_INDEX),
    ]


def node_leg(index: int) -> int:
    """Returns the index of the node's link in the sandbox's namespace."""
    return _FIRST_NODE_INDEX + index


def node_routes(network: ClusterNetwork, index: int) -> list[Message]:
    """Adds the sandbox's routes to the node's Pods; Services are reached through the first node."""
    gateway = network.node_ip(index)
    routes = [] if network.only_six else [add_route(network.pod_cidr_of(index), gateway=gateway)]
    if index == 1 and not network.only_six:
        routes.append(add_route(network.service_cidr, gateway=gateway))
    if network.six:
        routes.append(add_route(network.six.pod_cidr_of(index), gateway=network.six.node_ip(index)))
        if index == 1:
            routes.append(add_route(network.six.service_cidr, gateway=network.six.node_ip(index)))
    return routes


def node(network: ClusterNetwork, index: int, count: int) -> list[Message]:
    """Configures node `index` of `count`, inside the node, after its link has been made."""
    others = [i for i in range(1, count + 1) if i != index]
    six = network.six
    leg6 = [add_address(LEG, IPv6Interface((six.node_ip(index), six.fabric.prefixlen)))] if six else []
    routes6 = (
        [
            add_route(_DEFAULT_ROUTE6, gateway=six.gateway, link=LEG),
            *(add_route(six.pod_cidr_of(i), gateway=six.node_ip(i), link=LEG) for i in others),
        ]
        if six
        else []
    )
    return [
        set_up(LOOPBACK),
        add_address(LEG, IPv4Interface((network.node_ip(index), network.fabric.prefixlen))),
        *leg6,
        set_up(LEG),
        set_routing(LEG),
        add_route(_DEFAULT_ROUTE, gateway=network.gateway),
        *(add_route(network.pod_cidr_of(i), gateway=network.node_ip(i)) for i in others if not network.only_six),
        *routes6,
    ]


def pod_link_index(ip: IPv4Address | IPv6Address) -> int:
    """Returns the index of the node's side of a Pod's link: as unique on the node as the Pod's address."""
    return _FIRST_POD_INDEX + (int(ip) & (_FIRST_POD_INDEX - 1))


def pod_link(name: str, netns: int, at: PodAddresses) -> list[Message]:
    """Makes the Pod's link, from the node's namespace. Every such link carries the same gateway addresses."""
    index = pod_link_index(at.first)
    messages = [add_veth(name, index, peer_name=POD_LINK, peer_index=LEG, peer_netns=netns), set_routing(index)]
    if at.ip is not None and at.gateway is not None:
        messages += [
            add_address(index, IPv4Interface((at.gateway, 32))),
            add_route(IPv4Network((at.ip, 32)), link=index, replace=True),
        ]
    if at.ip6 is not None:
        messages += [
            add_address(index, IPv6Interface((POD_GATEWAY6, 64))),
            add_route(IPv6Network((at.ip6, 128)), link=index, replace=True),
        ]
    return messages


def pod(at: PodAddresses) -> list[Message]:
    """Configures the Pod, inside the Pod, after its link has been made."""
    addresses = [
        *([IPv4Interface((at.ip, 32))] if at.ip is not None else ()),
        *([IPv6Interface((at.ip6, 128))] if at.ip6 is not None else ()),
    ]
    messages = [set_up(LOOPBACK), *(add_address(LEG, address) for address in addresses), set_up(LEG)]
    if at.gateway is not None:
        messages += [
            add_route(IPv4Network((at.gateway, 32)), link=LEG),
            add_route(_DEFAULT_ROUTE, gateway=at.gateway, link=LEG, onlink=True),
        ]
    if at.ip6 is not None:
        messages.append(add_route(_DEFAULT_ROUTE6, gateway=POD_GATEWAY6, link=LEG))
    return messages
