"""Which endpoints a Service's port has for a node: all that it may use, and those on the node itself.

Ready ones; where none is ready, those that still serve while they end, so that a last pod that is going away is better
than nothing. Where every ready endpoint says whom it is meant for, those meant for this node, or else for its zone, are
preferred; hints that would leave a node with nobody are ignored. Upstream's rules throughout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from fairlead.api.endpointslice import Endpoint, EndpointSlice
from fairlead.api.service import ServicePort
from fairlead.net.family import Family, family_of

ZONE_LABEL = "topology.kubernetes.io/zone"
"""On a Node: the zone it is in."""

_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}", re.ASCII)
"""Ten times faster than `ipaddress`, which counts with 100,000 endpoints."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """The node that is planned for, in one address family."""

    name: str
    ip: IPv4Address | IPv6Address
    pod_cidr: IPv4Network | IPv6Network | None = None
    """Of the Pods on it, where it has a range for them."""
    zone: str = ""
    addresses: tuple[str, ...] = ()
    """All of its own."""

    @property
    def family(self) -> Family:
        return family_of(self.ip.version)


class Target(NamedTuple):
    """Where a connection may be sent. A tuple, because a Service may have thousands that are sorted and hashed."""

    ip: str
    port: int
    local: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """In a fixed order, each once."""

    cluster: tuple[Target, ...] = ()
    """Empty only where nobody serves at all."""
    local: tuple[Target, ...] = ()


def choose(port: ServicePort, slices: Iterable[EndpointSlice], *, node: NodeView) -> Chosen:
    """The targets of one Service's port."""
    ready: dict[Target, Endpoint] = {}
    ending: set[Target] = set()
    for piece in slices:
        numbers = _numbers(port, piece, node.family)
        if not numbers:
            continue
        for endpoint in piece.endpoints:
            for target in _targets(endpoint, numbers, node):
                conditions = endpoint.conditions
                if conditions.ready is not False:
                    ready[target] = endpoint
                elif conditions.serving is not False and conditions.terminating:
                    ending.add(target)
    cluster = _preferred(ready, node) if ready else ending
    local = [t for t in ready if t.local] or [t for t in ending if t.local]
    return Chosen(tuple(sorted(cluster)), tuple(sorted(local)))


def arranged(targets: Sequence[Target], before: Sequence[Target]) -> tuple[Target, ...]:
    """The targets with as many as possible in the places that they had before."""
    wanted, had = set(targets), set(before)
    places: list[Target | None] = [target if target in wanted else None for target in before]
    fresh = [target for target in targets if target not in had]
    fresh.reverse()
    while places and places[-1] is None:
        places.pop()
    for place, target in enumerate(places):
        if target is None:
            # The last one moves where nobody new takes the place of one that went.
            places[place] = fresh.pop() if fresh else places.pop()
            while places and places[-1] is None:
                places.pop()
    return (*(target for target in places if target is not None), *reversed(fresh))


def local_ready(slices: Iterable[EndpointSlice], *, node: NodeView) -> int:
    """How many of the node's endpoints are ready: what a load balancer is told of the node."""
    return len(
        {
            endpoint.addresses[0]
            for piece in slices
            if piece.addressType in ("", node.family.name)
            for endpoint in piece.endpoints
            if endpoint.conditions.ready is not False and endpoint.addresses and _is_local(endpoint, node)
        }
    )


def _numbers(port: ServicePort, piece: EndpointSlice, family: Family) -> list[int]:
    """The slice's ports that are the Service's port, matched by name and protocol."""
    if piece.addressType not in ("", family.name):
        return []
    wanted = (port.name, port.protocol or "TCP")
    return [p.port for p in piece.ports if p.port and (p.name or "", p.protocol or "TCP") == wanted]


def _targets(endpoint: Endpoint, numbers: Iterable[int], node: NodeView) -> list[Target]:
    ip = canonical(endpoint.addresses[0], node.family) if endpoint.addresses else ""
    if not ip:
        return []
    local = _is_local(endpoint, node)
    return [Target(ip, number, local) for number in numbers]


def canonical(text: str, family: Family) -> str:
    """The address as nft prints it; empty where it is none of the family."""
    if family.table == "ip":
        return text if _IPV4.fullmatch(text) else ""
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        return ""


def _is_local(endpoint: Endpoint, node: NodeView) -> bool:
    if endpoint.nodeName:
        return endpoint.nodeName == node.name
    return node.pod_cidr is not None and ip_address(endpoint.addresses[0]) in node.pod_cidr


def _preferred(ready: dict[Target, Endpoint], node: NodeView) -> Iterable[Target]:
    hints = [(target, endpoint.hints) for target, endpoint in ready.items()]
    if all(hint and hint.forNodes for _, hint in hints):
        here = [t for t, hint in hints if hint and any(n.name == node.name for n in hint.forNodes)]
        if here:
            return here
    if node.zone and all(hint and hint.forZones for _, hint in hints):
        here = [t for t, hint in hints if hint and any(z.name == node.zone for z in hint.forZones)]
        if here:
            return here
    return ready
