"""The addresses behind a service, in slices that change one at a time."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.columns import AGE, NAME, UNSET, first_few
from fairlead.api.meta import Int32, Object, Record, empty_list
from fairlead.api.reference import ObjectReference
from fairlead.base.instant import Instant
from fairlead.machinery.kind import Atomic, Column, Kind, OneOf, SetList


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
    hostname: str | None = None
    nodeName: str | None = None
    targetRef: Annotated[ObjectReference, Atomic()] | None = None
    zone: str | None = None


class EndpointPort(Record):
    name: str | None = None
    appProtocol: str | None = None
    port: Int32 | None = None
    protocol: str | None = None


class EndpointSlice(Object):
    addressType: Annotated[str, OneOf("IPv4", "IPv6", "FQDN")] = ""
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
)
