"""The addresses behind a service, in slices that change one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME, UNSET, first_few
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.rules import ordinary_ip, too_many
from fairlead.api.meta.types import Int32, Object, Record, empty_list
from fairlead.base.instant import Instant
from fairlead.machinery import names
from fairlead.machinery.kind import Atomic, Column, Doc, Format, Immutable, Kind, OneOf, Required, SetList
from fairlead.machinery.status import FieldError, duplicate, invalid, required


class EndpointConditions(Record):
    ready: Annotated[bool, Doc("Whether it takes new connections.")] | None = None
    serving: Annotated[bool, Doc("Whether it answers, ready or on its way out.")] | None = None
    terminating: Annotated[bool, Doc("Whether it is on its way out.")] | None = None


class ForZone(Record):
    name: Annotated[str, Doc("The zone's name.")] = ""


class ForNode(Record):
    name: Annotated[str, Doc("The node's name.")] = ""


class EndpointHints(Record):
    forNodes: Annotated[list[ForNode], Atomic(), Doc("The nodes it is meant for.")] = []
    forZones: Annotated[list[ForZone], Atomic(), Doc("The zones it is meant for.")] = []


class Endpoint(Record):
    addresses: Annotated[list[str], SetList(), Doc("Its addresses; clients use the first.")] = []
    conditions: Annotated[EndpointConditions, Doc("What state it is in.")] = msgspec.field(
        default_factory=EndpointConditions
    )
    deprecatedTopology: Annotated[dict[str, str], Doc("Where it is, in an older form.")] = {}
    hints: Annotated[EndpointHints, Doc("Whom it is meant for.")] | None = None
    hostname: Annotated[str, Format("dns-label"), Doc("Its name under a headless service.")] | None = None
    nodeName: Annotated[str, Format("dns-subdomain"), Doc("The node it is on.")] | None = None
    targetRef: Annotated[ObjectReference, Atomic(), Doc("The pod it is.")] | None = None
    zone: Annotated[str, Doc("The zone it is in.")] | None = None


class EndpointPort(Record):
    name: Annotated[str, Format("dns-label"), Doc("The service port's name.")] | None = None
    appProtocol: Annotated[str, Format("qualified-name"), Doc("What is spoken on it.")] | None = None
    port: Annotated[Int32, Doc("The number on the pods.")] | None = None
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP"), Doc("TCP, UDP or SCTP.")] | None = None


class EndpointSlice(Object):
    """A part of the addresses behind a service, in one family."""

    addressType: Annotated[
        str, Required(), OneOf("IPv4", "IPv6", "FQDN"), Immutable(), Doc("IPv4, IPv6 or FQDN; of every address in it.")
    ] = ""
    endpoints: Annotated[list[Endpoint], Atomic(), Doc("A thousand at most.")] = msgspec.field(
        default_factory=empty_list
    )
    ports: Annotated[list[EndpointPort], Atomic(), Doc("Of every endpoint in it.")] = []


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
    storage_path="endpointslices",
    cached="object",
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
