"""Which endpoints a Service's port has for a node: all that it may use, and those on the node itself.

Ready ones; where none is ready, those that still serve while they end, so that a last pod that is going away is better
than nothing. Where every ready endpoint says whom it is meant for, those meant for this node, or else for its zone, are
preferred; hints that would leave a node with nobody are ignored. Upstream's rules throughout.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple, cast

from fairlead.api.core.service.kind import ServicePort
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointSlice
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
    found = candidates(port, slices, node=node)
    return Chosen(tuple(sorted(found.cluster)), tuple(sorted(found.local)))


class Piece(NamedTuple):
    """What one slice has for one port, on one node."""

    source: EndpointSlice | None
    ready: dict[Target, Endpoint]
    ending: set[Target]
    local: list[Target]
    """Of the ready ones."""


class Candidates(NamedTuple):
    """As `Chosen`, in no order. `cluster` is a dictionary or a set, each of which the other is fast to compare with."""

    cluster: dict[Target, Endpoint] | set[Target]
    local: list[Target]
    pieces: Sequence[Piece]
    whole: tuple[bool, bool]
    """Whether they are all that are ready, those of the cluster and those on the node: not the ending or preferred."""


def candidates(
    port: ServicePort, slices: Iterable[EndpointSlice], *, node: NodeView, before: Sequence[Piece] = ()
) -> Candidates:
    """`before` are the pieces of an earlier answer for the same port and node: of slices that are the very same objects
    still, nothing is looked at again."""
    known = {id(piece.source): piece for piece in before}
    pieces = [known.get(id(source)) or _piece(port, source, node) for source in slices]
    first = pieces[0] if pieces else Piece(None, {}, set(), [])
    ready, ending, local = first.ready, first.ending, first.local
    if len(pieces) > 1:
        ready, ending = dict(ready), set(ending)
        for piece in pieces[1:]:
            ready.update(piece.ready)
            ending.update(piece.ending)
        local = list(dict.fromkeys(target for piece in pieces for target in piece.local))
    cluster = _preferred(ready, node) if ready else ending
    whole = cluster is ready, bool(local)
    return Candidates(cluster, local or [target for target in ending if target.local], pieces, whole)


def moved(pieces: Iterable[Piece], before: Iterable[Piece]) -> set[Target]:
    """The targets of the pieces that only one of the two has."""
    now, then = {id(piece): piece for piece in pieces}, {id(piece): piece for piece in before}
    others = [known[key] for known in (now, then) for key in now.keys() ^ then.keys() if key in known]
    return {target for piece in others for target in (*piece.ready, *piece.ending)}


def _piece(port: ServicePort, source: EndpointSlice, node: NodeView) -> Piece:
    ready: dict[Target, Endpoint] = {}
    ending: set[Target] = set()
    family = node.family
    numbers = _numbers(port, source, family)
    for endpoint in source.endpoints if numbers else ():
        for target in _targets(endpoint, numbers, node, family):
            conditions = endpoint.conditions
            if conditions.ready is not False:
                ready[target] = endpoint
            elif conditions.serving is not False and conditions.terminating:
                ending.add(target)
    return Piece(source, ready, ending, [target for target in ready if target.local])


_NOWHERE: Mapping[Target, int] = {}


class Order(NamedTuple):
    """Targets in places 0, 1, 2…"""

    targets: tuple[Target, ...] = ()
    places: Mapping[Target, int] = _NOWHERE
    changed: Collection[int] = ()
    """The places that had another target, or none, or that are there no more, compared with the order before it."""


NO_ORDER = Order()


def rearranged(
    wanted: Collection[Target], before: Order = NO_ORDER, *, among: Collection[Target] | None = None
) -> Order:
    """The targets with as many as possible in the places that they had before; new ones sorted. `among` these are all
    that came or went, if that is known. For thousands of which few change: what is done for each is a copy."""
    wanted = wanted if isinstance(wanted, dict | set) else set(wanted)
    if among is None:
        gone = set(before.places).difference(wanted)
        fresh = sorted(set(wanted).difference(before.places), reverse=True)
    else:
        gone = {target for target in among if target in before.places and target not in wanted}
        fresh = sorted((t for t in among if t in wanted and t not in before.places), reverse=True)
    if not gone and not fresh:
        return Order(before.targets, before.places)
    holes = sorted(before.places[target] for target in gone)
    places: list[Target | None] = list(before.targets)
    for hole in holes:
        places[hole] = None
    for hole in holes:
        while places and places[-1] is None:
            places.pop()
        if hole >= len(places):
            break
        # The last one moves where nobody new takes the place of one that went.
        places[hole] = fresh.pop() if fresh else places.pop()
    while places and places[-1] is None:
        places.pop()
    targets = cast(list[Target], places)
    targets.extend(reversed(fresh))
    shorter, longer = sorted((len(targets), len(before.targets)))
    changed = sorted({*(hole for hole in holes if hole < shorter), *range(shorter, longer)})
    found = dict(before.places)
    for target in gone:
        del found[target]
    found.update((targets[place], place) for place in changed if place < len(targets))
    return Order(tuple(targets), found, changed)


def arranged(targets: Sequence[Target], before: Sequence[Target]) -> tuple[Target, ...]:
    """The same of plain lists."""
    return rearranged(targets, Order(tuple(before), {target: place for place, target in enumerate(before)})).targets


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


def _targets(endpoint: Endpoint, numbers: Iterable[int], node: NodeView, family: Family) -> list[Target]:
    ip = canonical(endpoint.addresses[0], family) if endpoint.addresses else ""
    if not ip:
        return []
    local = _is_local(endpoint, node)
    return [Target(ip, number, local) for number in numbers]


def canonical(text: str, family: Family) -> str:
    """The address as nft prints it; empty where it is none of the family."""
    if family.table == "ip":
        return text if _IPV4.fullmatch(text) else ""
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return ""
    return "" if address.ipv4_mapped else str(address)


def _is_local(endpoint: Endpoint, node: NodeView) -> bool:
    if endpoint.nodeName:
        return endpoint.nodeName == node.name
    return node.pod_cidr is not None and ip_address(endpoint.addresses[0]) in node.pod_cidr


def _preferred(ready: dict[Target, Endpoint], node: NodeView) -> dict[Target, Endpoint] | set[Target]:
    if all(endpoint.hints and endpoint.hints.forNodes for endpoint in ready.values()):
        here = {t for t, e in ready.items() if e.hints and any(n.name == node.name for n in e.hints.forNodes)}
        if here:
            return here
    if node.zone and all(endpoint.hints and endpoint.hints.forZones for endpoint in ready.values()):
        here = {t for t, e in ready.items() if e.hints and any(z.name == node.zone for z in e.hints.forZones)}
        if here:
            return here
    return ready
