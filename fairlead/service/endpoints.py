"""Selects the endpoints that serve a Service's port: all that a node may use, and those on the node itself.

Ready endpoints; if none is ready, terminating endpoints that still serve. If each ready endpoint has hints, those meant
for this node, or else for its zone, are preferred; hints that would leave a node without endpoints are ignored.
Upstream's rules throughout.

A choice is made of what each slice has (`of_slice`) and of what the slices have together (`merge`), so that a
caller that keeps the parts need not read an unchanged slice again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from fairlead.api.core.service.spec import ServicePort
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointSlice
from fairlead.base.addresses import FamilyName
from fairlead.net.family import Family, of_name
from fairlead.service.decisions import EndpointState, endpoint_state, is_ready
from fairlead.service.node import NodeView, is_local
from fairlead.service.ports import slice_ports

_READY, _NOT_SERVING = EndpointState.READY, EndpointState.NOT_SERVING
_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}", re.ASCII)
"""Ten times faster than `ipaddress` (docs/measurements.md, 10), which counts with 100,000 endpoints."""


class Target(NamedTuple):
    """An address and port for connections. A tuple, because a Service may have thousands that are sorted and
    hashed."""

    ip: str
    port: int
    local: bool = False


class Chosen(NamedTuple):
    """The targets of one port for one node, each once, in the order of their numbers in the rules."""

    cluster: tuple[Target, ...] = ()
    """Empty only if no endpoint serves at all."""
    local: tuple[Target, ...] = ()


class SliceTargets(NamedTuple):
    """The targets of one slice for one port, from a node's point of view."""

    source: EndpointSlice | None
    ready: dict[Target, Endpoint]
    terminating: set[Target]
    local: list[Target]
    """The ready ones on the node."""


class Merged(NamedTuple):
    """The targets of all slices, each once, in no order."""

    cluster: dict[Target, Endpoint] | set[Target]
    """A dictionary or a set, each of which the other is fast to compare with."""
    local: list[Target]
    all_ready: bool
    """`cluster` is every ready target: not the terminating, nor the preferred alone."""


def choose(port: ServicePort, slices: Iterable[EndpointSlice], *, node: NodeView) -> Chosen:
    """Returns the targets of one Service's port, sorted."""
    merged = merge([of_slice(port, piece, node=node) for piece in slices], node=node)
    return Chosen(tuple(sorted(merged.cluster)), tuple(sorted(merged.local)))


def of_slice(port: ServicePort, piece: EndpointSlice, *, node: NodeView) -> SliceTargets:
    """Returns the slice's targets for the port in the node's family."""
    ready: dict[Target, Endpoint] = {}
    terminating: set[Target] = set()
    family = node.family
    numbers = slice_ports(port, piece) if piece.addressType in ("", family.name) else []
    for endpoint in piece.endpoints if numbers else ():
        conditions = endpoint.conditions
        state = endpoint_state(conditions.ready, conditions.serving, conditions.terminating)
        ip = canonical(endpoint.addresses[0], family) if endpoint.addresses else ""
        if state is _NOT_SERVING or not ip:
            continue
        local = is_local(endpoint, node)
        for number in numbers:
            if state is _READY:
                ready[Target(ip, number, local)] = endpoint
            else:
                terminating.add(Target(ip, number, local))
    return SliceTargets(piece, ready, terminating, [target for target in ready if target.local])


def merge(pieces: Sequence[SliceTargets], *, node: NodeView) -> Merged:
    """Returns which targets of the slices the node is to use."""
    first = pieces[0] if pieces else SliceTargets(None, {}, set(), [])
    ready, terminating, local = first.ready, first.terminating, first.local
    if len(pieces) > 1:
        ready, terminating = dict(ready), set(terminating)
        for piece in pieces[1:]:
            ready.update(piece.ready)
            terminating.update(piece.terminating)
        local = list(dict.fromkeys(target for piece in pieces for target in piece.local))
    cluster = _preferred(ready, node) if ready else terminating
    return Merged(cluster, local or [target for target in terminating if target.local], cluster is ready)


def serving_nodes(port: ServicePort, slices: Iterable[EndpointSlice], family: FamilyName) -> frozenset[str]:
    """Returns the nodes of the endpoints that `choose` would give a node without hints, with an empty name for those
    that name none. Made for Services with thousands of endpoints: nothing is sorted."""
    ready: set[str] = set()
    terminating: set[str] = set()
    for piece in slices:
        if piece.addressType not in ("", family) or not slice_ports(port, piece):
            continue
        for endpoint in piece.endpoints:
            conditions = endpoint.conditions
            state = endpoint_state(conditions.ready, conditions.serving, conditions.terminating)
            if state is _NOT_SERVING or not endpoint.addresses:
                continue
            group, node = ready if state is _READY else terminating, endpoint.nodeName or ""
            if node not in group and canonical(endpoint.addresses[0], of_name(family)):
                group.add(node)
    return frozenset(ready or terminating)


def ready_nodes(slices: Iterable[EndpointSlice]) -> frozenset[str]:
    """Returns the nodes with a ready endpoint, whatever its port: those that may answer for a load balancer's address
    if traffic stays on its node."""
    return frozenset(
        endpoint.nodeName
        for piece in slices
        for endpoint in piece.endpoints
        if endpoint.nodeName and is_ready(endpoint.conditions.ready)
    )


def count_local_ready(slices: Iterable[EndpointSlice], *, node: NodeView) -> int:
    """Returns how many of the node's endpoints are ready: the answer to a load balancer's health check."""
    return len(
        {
            endpoint.addresses[0]
            for piece in slices
            if piece.addressType in ("", node.family.name)
            for endpoint in piece.endpoints
            if is_ready(endpoint.conditions.ready) and endpoint.addresses and is_local(endpoint, node)
        }
    )


def ready_addresses(port_name: str, slices: Iterable[EndpointSlice]) -> Iterator[tuple[str, int]]:
    """Yields the ready endpoints of both families that serve the port of this name, whatever its protocol: those to
    which the API server proxies."""
    for piece in slices:
        number = next((p.port for p in piece.ports if (p.name or "") == port_name and p.port), None)
        if number is not None and piece.addressType != "FQDN":
            for endpoint in piece.endpoints:
                if is_ready(endpoint.conditions.ready) and endpoint.addresses:
                    yield endpoint.addresses[0], number


def canonical(text: str, family: Family) -> str:
    """Returns the address as nft prints it; empty if it is not an address of the family."""
    if family.table == "ip":
        return text if _IPV4.fullmatch(text) else ""
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return ""
    return "" if address.ipv4_mapped else str(address)


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
