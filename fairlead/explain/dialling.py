"""The connections by which a Service is tried. Pure; each is the Service's port, an address and its port."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.service.predicates import has_cluster_ip, is_external_name
from fairlead.api.core.service.spec import ServicePort
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.explain.snapshot import Snapshot
from fairlead.service.decisions import DEFAULT_PROTOCOL, port_id

_MOST_DIALS = 8
_MOST_ENDPOINTS = 64

End = tuple[str, str, int]


def dials_to(s: Snapshot) -> list[End]:
    """Returns the connections to the Service: to its cluster IPs, or to the first endpoint if it is headless."""
    return [end for _, end in ends_of(s, "TCP")][:_MOST_DIALS]


def ends_of(s: Snapshot, protocol: str) -> Iterator[tuple[ServicePort, End]]:
    """Yields each port of the protocol with the address of each family at which the Service is tried."""
    spec = s.found.spec
    if is_external_name(spec):
        return
    ports = [port for port in s.ports if (port.protocol or DEFAULT_PROTOCOL) == protocol]
    if has_cluster_ip(spec):
        for address in spec.clusterIPs or [spec.clusterIP]:
            for port in ports:
                yield port, (f"{port.port}/{protocol}", address, port.port)
        return
    wanted = {port_id(port.name, port.protocol): port for port in ports}
    for piece, address in _first_endpoints(s):
        for one in piece.ports or []:
            known = wanted.get(port_id(one.name or "", one.protocol))
            if known is not None and one.port:
                yield known, (f"{one.port}/{protocol}", address, one.port)


def _first_endpoints(s: Snapshot) -> Iterator[tuple[EndpointSlice, str]]:
    """Yields the first endpoint that serves of each family, with its slice."""
    seen: set[str] = set()
    for piece in s.slices:
        for one in piece.endpoints:
            if one in s.serving and piece.addressType not in seen:
                seen.add(piece.addressType)
                yield piece, one.addresses[0]


def by_hand_dials(s: Snapshot) -> list[tuple[str, str, int]]:
    """Returns port, address and number of each endpoint without a Pod that serves a port in question by TCP."""
    wanted = {port_id(port.name, port.protocol) for port in s.ports}
    return [
        (f"{port.port}/TCP", one.addresses[0], port.port)
        for piece in s.slices
        for one in piece.endpoints
        if one.targetRef is None and one in s.serving and one.addresses and piece.addressType != "FQDN"
        for port in piece.ports or ()
        if port.port and (port.protocol or "TCP") == "TCP" and port_id(port.name, port.protocol) in wanted
    ][:_MOST_ENDPOINTS]
