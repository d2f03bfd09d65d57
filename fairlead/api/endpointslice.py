"""The addresses behind a service, in slices that change one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.columns import AGE, NAME, UNSET, first_few
from fairlead.api.meta import Int32, Object, Record, empty_list
from fairlead.api.reference import ObjectReference
from fairlead.api.rules import ordinary_ip, too_many
from fairlead.base.instant import Instant
from fairlead.machinery import names
from fairlead.machinery.kind import Atomic, Column, Format, Immutable, Kind, OneOf, Required, SetList
from fairlead.machinery.status import FieldError, duplicate, invalid, required


class EndpointConditions(Record):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForZone(Record):
    name: str = ""


class ForNode(Record):
    name: str = ""


class EndpointHints(Record):
    forNodes: Annotated[list[ForNode], Atomic()] = []
    forZones: Annotated[list[ForZone], Atomic()] = []


class Endpoint(Record):
    addresses: Annotated[list[str], SetList()] = []
    conditions: EndpointConditions = msgspec.field(default_factory=EndpointConditions)
    deprecatedTopology: dict[str, str] = {}
    hints: EndpointHints | None = None
    hostname: Annotated[str, Format("dns-label")] | None = None
    nodeName: Annotated[str, Format("dns-subdomain")] | None = None
    targetRef: Annotated[ObjectReference, Atomic()] | None = None
    zone: str | None = None


class EndpointPort(Record):
    name: Annotated[str, Format("dns-label")] | None = None
    appProtocol: Annotated[str, Format("qualified-name")] | None = None
    port: Int32 | None = None
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP")] | None = None


class EndpointSlice(Object):
    addressType: Annotated[str, Required(), OneOf("IPv4", "IPv6", "FQDN"), Immutable()] = ""
    endpoints: Annotated[list[Endpoint], Atomic()] = msgspec.field(default_factory=empty_list)
    ports: Annotated[list[EndpointPort], Atomic()] = []


def _default(endpoints: EndpointSlice) -> EndpointSlice:
    for port in endpoints.ports:
        port.name = port.name or ""
        port.protocol = port.protocol or "TCP"
    return endpoints


def _ports(endpoints: EndpointSlice, _: Instant) -> str:
    return first_few("*" if p.port is None and not p.name else str(p.port or p.name) for p in endpoints.ports) or UNSET


def _addresses(endpoints: EndpointSlice, _: Instant) -> str:
    return first_few(address for endpoint in endpoints.endpoints for address in endpoint.addresses) or UNSET


_MAX_ENDPOINTS = 1000
_MAX_PORTS = 100
_MAX_ADDRESSES = 100


def _rules(endpoints: EndpointSlice) -> Iterator[FieldError]:
    yield from too_many(len(endpoints.endpoints), _MAX_ENDPOINTS, "endpoints")
    for i, endpoint in enumerate(endpoints.endpoints):
        yield from _address_errors(endpoints.addressType, endpoint.addresses, f"endpoints[{i}].addresses")
    yield from too_many(len(endpoints.ports), _MAX_PORTS, "ports")
    seen: set[str | None] = set()
    for i, port in enumerate(endpoints.ports):
        if port.name in seen:
            yield duplicate(f"ports[{i}].name", port.name)
        seen.add(port.name)


def _address_errors(kind: str, addresses: list[str], path: str) -> Iterator[FieldError]:
    if not addresses:
        yield required(path, "must contain at least 1 address")
    yield from too_many(len(addresses), _MAX_ADDRESSES, path)
    check = {"IPv4": names.ipv4, "IPv6": names.ipv6}.get(kind, names.dns1123_subdomain)
    for i, address in enumerate(addresses):
        wrong = [invalid(f"{path}[{i}]", address, text) for text in check(address)]
        yield from wrong
        if not wrong and kind in ("IPv4", "IPv6"):
            yield from ordinary_ip(address, f"{path}[{i}]")


ENDPOINT_SLICE = Kind(
    type=EndpointSlice,
    kind="EndpointSlice",
    group="discovery.k8s.io",
    plural="endpointslices",
    singular="endpointslice",
    columns=(
        NAME,
        Column("AddressType", lambda endpoints, _: endpoints.addressType, doc="IPv4, IPv6 or FQDN."),
        Column("Ports", _ports, doc="Of every endpoint in it."),
        Column("Endpoints", _addresses, doc="Its addresses, ready or not."),
        AGE,
    ),
    default=_default,
    rules=_rules,
)
