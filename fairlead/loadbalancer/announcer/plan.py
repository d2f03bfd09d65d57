"""Which node announces which address. Pure, and the same on every node that knows the same.

The announcer of an address is the best of the nodes that may announce it, by a hash of both names: addresses are
spread, and when a node dies only its own move. Rejected: a Lease for each address. It needs the API server to
move (which may be what has just died with the node), and renewals every half second would be the busiest writes of the
whole cluster. Who is alive is heard on the fabric itself, the very link on which addresses are answered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from fairlead.api.core.node.kind import Node
from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.service.endpoints import ready_nodes
from fairlead.service.frontends import keeps_external_traffic, load_balancer_vips
from fairlead.service.members import is_proxied
from fairlead.service.wellknown import NO_LOAD_BALANCERS_LABEL

Network = IPv4Network | IPv6Network

_NEVER_REPORTED = "NodeStatusNeverUpdated"
"""The reason of `Ready: Unknown`, as the node lifecycle controller writes it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An address that a Service has. `nodes`: where it may be announced, None for anywhere."""

    address: str
    nodes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The link that a node announces on. On a cluster's own fabric its Node objects say who is there; on machines'
    network those are there that are heard, since not every machine need be a Node."""

    networks: tuple[Network, ...] | None = None
    """The machines' network: addresses of others are not answered for. None: the cluster's own fabric."""
    own: frozenset[str] = frozenset()
    """Addresses that the machine itself has: they are left alone, whatever the pool says."""
    held: frozenset[str] = frozenset()
    """What the link has besides: addresses that this process announced before it was started again."""

    @property
    def is_fabric(self) -> bool:
        return self.networks is None

    def covers(self, address: str) -> bool:
        if self.networks is None:
            return True
        return address not in self.own and any(ip_address(address) in network for network in self.networks)


FABRIC = Surroundings()


def may_announce(node: Node, *, unreported: bool = False) -> bool:
    """Ready, on the network, and not taken out by its label. With `unreported`, one will do of which nobody has ever
    said how it is: a machine that has a Node object and no kubelet."""
    if node.metadata.deletionTimestamp or NO_LOAD_BALANCERS_LABEL in node.metadata.labels:
        return False
    found = {condition.type: condition for condition in node.status.conditions}
    network, ready = found.get("NetworkUnavailable"), found.get("Ready")
    if network is not None and network.status == "True":
        return False
    if unreported and (ready is None or ready.reason == _NEVER_REPORTED):
        return True
    return ready is not None and ready.status == "True"


def addresses(service: Service) -> tuple[str, ...]:
    """Returns those that nodes are to answer for. No node has rules for a Service that nodes do not carry, so none
    answers for its addresses."""
    return tuple(load_balancer_vips(service)) if is_proxied(service) else ()


def wishes(service: Service, slices: Iterable[EndpointSlice]) -> tuple[Wish, ...]:
    nodes = ready_nodes(slices) if keeps_external_traffic(service) else None
    return tuple(Wish(address, nodes) for address in addresses(service))


def announcers(wanted: Iterable[Wish], candidates: Collection[str]) -> Mapping[str, str]:
    """Address -> node. An address that several Services share is announced where all of them can be served."""
    allowed: dict[str, frozenset[str]] = {}
    for wish in wanted:
        nodes = frozenset(candidates) if wish.nodes is None else wish.nodes & frozenset(candidates)
        allowed[wish.address] = allowed.get(wish.address, nodes) & nodes
    return {address: best(address, allowed[address]) for address in sorted(allowed) if allowed[address]}


def best(address: str, nodes: Iterable[str]) -> str:
    return max(nodes, key=lambda node: (hashlib.sha256(f"{address} {node}".encode()).digest(), node))
