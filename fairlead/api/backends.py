"""Which endpoints a connection to a Service's port may go to: asked by whatever carries connections.

Ready ones; where none is ready, those that still serve while they end, so that a last pod that is going away is better
than nothing. An absent `ready` counts as ready and an absent `serving` as serving, as upstream has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal, TypeVar

from fairlead.api.core.service.kind import Service, ServicePort
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointSlice
from fairlead.base.addresses import unmapped

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
"""On a slice: the Service that it belongs to."""
HEADLESS_LABEL = "service.kubernetes.io/headless"
OTHER_PROXY_LABEL = "service.kubernetes.io/service-proxy-name"
"""Either label, with any value, on a Service or on a slice: nodes do not carry its traffic."""


Family = Literal["IPv4", "IPv6"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """An address and port to connect to."""

    ip: str
    port: int
    node: str = field(compare=False, default="")


def is_proxied(found: Service | EndpointSlice) -> bool:
    """Returns whether nodes carry the traffic of a Service or slice: upstream's proxy watches no others."""
    return HEADLESS_LABEL not in found.metadata.labels and OTHER_PROXY_LABEL not in found.metadata.labels


def service_of(piece: EndpointSlice) -> str:
    """`namespace/name` of the slice's Service; empty where it names none."""
    name = piece.metadata.labels.get(SERVICE_NAME_LABEL)
    return f"{piece.metadata.namespace}/{name}" if name else ""


def has_address(service: Service) -> bool:
    """Neither headless nor an alias."""
    return service.spec.type != "ExternalName" and service.spec.clusterIP not in ("", "None")


def has_node_ports(service: Service) -> bool:
    return has_address(service) and service.spec.type in ("NodePort", "LoadBalancer")


def backends(port: ServicePort, slices: Iterable[EndpointSlice], family: Family = "IPv4") -> list[Backend]:
    """Those of one family, in a fixed order, each once."""
    ready: set[Backend] = set()
    ending: set[Backend] = set()
    for piece in slices:
        numbers = _numbers(port, piece) if piece.addressType in ("", family) else []
        if not numbers:
            continue
        for endpoint in piece.endpoints:
            group = _group(endpoint, ready, ending)
            if group is None or not endpoint.addresses or not _is_of(endpoint.addresses[0], family):
                continue
            node = endpoint.nodeName or ""
            group.update(Backend(endpoint.addresses[0], number, node) for number in numbers)
    return sorted(ready or ending)


def serving_nodes(port: ServicePort, slices: Iterable[EndpointSlice], family: Family = "IPv4") -> frozenset[str]:
    """The nodes of `backends`, an empty name for where an endpoint says none. Made for Services with thousands: nothing
    is sorted, and addresses are taken for what the slice says they are."""
    ready: set[str] = set()
    ending: set[str] = set()
    for piece in slices:
        if piece.addressType not in ("", family) or not _numbers(port, piece):
            continue
        for endpoint in piece.endpoints:
            group = _group(endpoint, ready, ending)
            if group is None or not endpoint.addresses:
                continue
            if piece.addressType or _is_of(endpoint.addresses[0], family):
                group.add(endpoint.nodeName or "")
    return frozenset(ready or ending)


def _is_of(text: str, family: Family) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address == unmapped(address) and address.version == (6 if family == "IPv6" else 4)


def _numbers(port: ServicePort, piece: EndpointSlice) -> list[int]:
    """The slice's ports that are the Service's port, matched by name and protocol."""
    wanted = (port.name, port.protocol or "TCP")
    return [p.port for p in piece.ports if p.port and (p.name or "", p.protocol or "TCP") == wanted]


def _group(endpoint: Endpoint, ready: set[T], ending: set[T]) -> set[T] | None:
    conditions = endpoint.conditions
    if conditions.ready is not False:
        return ready
    return ending if conditions.serving is not False and conditions.terminating else None
