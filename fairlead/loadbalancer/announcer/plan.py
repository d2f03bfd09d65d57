"""Decides which node announces which address. Pure: the same result on every node with the same knowledge.

The announcer of an address is the best of the nodes that may announce it, by a hash of address and node name:
addresses are spread, and if a node dies only its addresses move. Rejected: a Lease for each address. A move would
need the API server (which may have died with the node), and renewals every half second would be the most frequent
writes of the whole cluster. Instead nodes call each other on the fabric, the link on which addresses are answered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address

from fairlead.api.core.node.kind import Node
from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.dataclass import dataclass
from fairlead.service.endpoints import ready_nodes
from fairlead.service.frontends import keeps_external_traffic, load_balancer_vips
from fairlead.service.members import is_proxied
from fairlead.service.wellknown import NO_LOAD_BALANCERS_LABEL

Network = IPv4Network | IPv6Network

_NEVER_REPORTED = "NodeStatusNeverUpdated"
"""The reason of `Ready: Unknown`, as the node lifecycle controller writes it."""


@dataclass(frozen=True, slots=True)
class DesiredAddress:
    """An address of a Service. `nodes`: the nodes that may announce it, None for all."""

    address: str
    nodes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """The link on which a node announces. On a cluster's fabric the Node objects list the members; on the machines'
    network the members are those that call, since not every machine need be a Node."""

    networks: tuple[Network, ...] | None = None
    """Ranges of the machines' network: no other address is announced. None: the cluster's fabric."""
    own: frozenset[str] = frozenset()
    """Addresses of the machine itself: never announced or removed, even if the pool contains them."""
    existing: frozenset[str] = frozenset()
    """Other addresses on the link: those that this process announced before it was restarted."""

    @property
    def is_fabric(self) -> bool:
        return self.networks is None

    def covers(self, address: str) -> bool:
        if self.networks is None:
            return True
        return address not in self.own and any(ip_address(address) in network for network in self.networks)


FABRIC = Link()


def may_announce(node: Node, *, unreported: bool = False) -> bool:
    """Returns True if the node is ready, on the network, and not excluded by its label. With `unreported`, a node
    whose status was never reported counts too: a machine with a Node object and no kubelet."""
    return not why_not(node, unreported=unreported)


def why_not(node: Node, *, unreported: bool = False) -> str:
    """Returns the reason for which the node may not announce, or an empty text."""
    if node.metadata.deletionTimestamp:
        return "its Node is being deleted"
    if NO_LOAD_BALANCERS_LABEL in node.metadata.labels:
        return f"its Node has the label {NO_LOAD_BALANCERS_LABEL}"
    conditions = {condition.type: condition for condition in node.status.conditions}
    network, ready = conditions.get("NetworkUnavailable"), conditions.get("Ready")
    if network is not None and network.status == "True":
        return "its Node has no network (NetworkUnavailable)"
    if unreported and (ready is None or ready.reason == _NEVER_REPORTED):
        return ""
    return "" if ready is not None and ready.status == "True" else "its Node is NotReady"


def addresses(service: Service) -> tuple[str, ...]:
    """Returns the Service's addresses that nodes must answer for: none if nodes do not carry its traffic, because
    they have no rules for it."""
    return tuple(load_balancer_vips(service)) if is_proxied(service) else ()


def desired_addresses(service: Service, slices: Iterable[EndpointSlice]) -> tuple[DesiredAddress, ...]:
    nodes = ready_nodes(slices) if keeps_external_traffic(service) else None
    return tuple(DesiredAddress(address, nodes) for address in addresses(service))


def announcers(addresses: Iterable[DesiredAddress], candidates: Collection[str]) -> Mapping[str, str]:
    """Returns the announcing node of each address. A node may announce a shared address only if it can serve all
    Services that share it."""
    allowed: dict[str, frozenset[str]] = {}
    for desired in addresses:
        nodes = frozenset(candidates) if desired.nodes is None else desired.nodes & frozenset(candidates)
        allowed[desired.address] = allowed.get(desired.address, nodes) & nodes
    return {address: best(address, allowed[address]) for address in sorted(allowed) if allowed[address]}


def best(address: str, nodes: Iterable[str]) -> str:
    return max(nodes, key=lambda node: (hashlib.sha256(f"{address} {node}".encode()).digest(), node))
