"""The state of a cluster that traces and rules are computed from: the nodes' rules, and the addresses of everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Literal

from fairlead.base.dataclass import dataclass, field
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.proxy.inspection.owners import Owners
from fairlead.proxy.inspection.ruleset import RuleSet
from fairlead.proxy.inspection.wayout import WayOut
from fairlead.service.node import NodeView

Source = Literal["plan", "kernel"]
"""The rules as the API's objects demand them, or as a node's kernel has them."""


@dataclass(frozen=True, slots=True)
class NodeRules:
    """One node in one family."""

    view: NodeView
    plan: RuleSet
    kernel: RuleSet | None = None
    """None: not read, or the node lacks rules of the proxy."""

    def of(self, source: Source) -> RuleSet | None:
        return self.plan if source == "plan" else self.kernel

    @property
    def name(self) -> str:
        return self.view.name


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    nodes: tuple[NodeRules, ...]
    owners: Owners
    services: tuple[str, ...] = ()
    """The ranges of cluster IPs."""
    gateway: str = ""
    """The node that the host sends packets for cluster IPs to."""
    announcers: Mapping[str, str] = field(default_factory=dict)
    """The node that announces a load balancer's address on the fabric, by address."""
    control: tuple[str, ...] = ()
    """The addresses of the control plane on the fabric."""
    way_out: WayOut = WayOut(is_open=False)
    host: tuple[str, ...] = ()
    """The addresses from which the host's programs reach the cluster, one of each family."""

    def of_family(self, family: Family) -> Iterator[NodeRules]:
        return (node for node in self.nodes if node.view.family is family)

    def node(self, name: str, family: Family) -> NodeRules | None:
        return next((node for node in self.of_family(family) if node.name == name), None)

    def node_of(self, address: str) -> NodeRules | None:
        """Returns the node that packets from the fabric to the address are sent to; None: they leave the cluster."""
        family = family_of(address)
        nodes = list(self.of_family(family))
        for node in nodes:
            if address in node.view.addresses or address == str(node.view.ip):
                return node
        for node in nodes:
            if node.view.pod_cidr is not None and ip_address(address) in node.view.pod_cidr:
                return node
        if any(address_in(address, block) for block in self.services):
            return self.node(self.gateway, family)
        return self.node(self.announcers.get(address, ""), family)

    def is_nodes(self, address: str) -> bool:
        """Returns whether the address is a node's own, or a loopback address."""
        if ip_address(address).is_loopback:
            return True
        return any(address in (*node.view.addresses, str(node.view.ip)) for node in self.nodes)


def address_in(address: str, block: str) -> bool:
    """Returns whether the range contains the address; never if they are of different families."""
    return (":" in address) == (":" in block) and ip_address(address) in ip_network(block)


def family_of(address: str) -> Family:
    return IPV6 if ":" in address else IPV4
