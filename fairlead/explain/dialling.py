"""The connections by which a Service is tried. Pure; each is the Service's port, an address and its port."""

from __future__ import annotations

from fairlead.api.core.service.predicates import has_cluster_ip, is_external_name
from fairlead.explain.snapshot import Snapshot
from fairlead.service.decisions import port_id

_MOST_DIALS = 8
_MOST_ENDPOINTS = 64

End = tuple[str, str, int]


def dials_to(s: Snapshot) -> list[End]:
    """Returns the connections to the Service: to its cluster IP, or to the first endpoint if it is headless."""
    spec = s.found.spec
    if is_external_name(spec):
        return []
    ports = [port for port in s.ports if (port.protocol or "TCP") == "TCP"]
    address = spec.clusterIP if has_cluster_ip(spec) else ""
    if address:
        return [(f"{port.port}/TCP", address, port.port) for port in ports][:_MOST_DIALS]
    ends = [(one.addresses[0], piece) for piece in s.slices for one in piece.endpoints if one in s.serving]
    return [
        (f"{port.port or 0}/TCP", end, port.port or 0)
        for end, piece in ends[:1]
        for port in piece.ports or []
        if (port.protocol or "TCP") == "TCP"
    ][:_MOST_DIALS]


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
