"""The EndpointSlice kind: the addresses of a service, in slices that are written separately."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME, UNSET, first_few
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.rules import ordinary_ip, too_many
from fairlead.api.meta.types import Int32, Object, Record, empty_list
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Format, Immutable, Kind, OneOf, Required, SetList
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid, required


class EndpointConditions(Record):
    """State of an endpoint: whether it is ready, serves traffic or is terminating."""

    ready: (
        Annotated[
            bool,
            Doc("True if the endpoint accepts new connections: serving and not terminating; absent counts as true."),
        ]
        | None
    ) = None
    serving: (
        Annotated[bool, Doc("True if the endpoint answers requests, even while it terminates; absent counts as true.")]
        | None
    ) = None
    terminating: Annotated[bool, Doc("True if the endpoint is being shut down; absent counts as false.")] | None = None


class ForZone(Record):
    """Zone whose clients should use the endpoint."""

    name: Annotated[str, Doc("Name of the zone that should use the endpoint.")] = ""


class ForNode(Record):
    """Node whose clients should use the endpoint."""

    name: Annotated[str, Doc("Name of the node that should use the endpoint.")] = ""


class EndpointHints(Record):
    """Zones and nodes whose clients should prefer the endpoint."""

    forNodes: Annotated[
        list[ForNode], Atomic(), Doc("Nodes whose clients should use the endpoint; at most eight.")
    ] = []
    forZones: Annotated[
        list[ForZone], Atomic(), Doc("Zones whose clients should use the endpoint; at most eight.")
    ] = []


class Endpoint(Record):
    """Server behind a service, usually a pod, with its addresses, state and location."""

    addresses: Annotated[
        list[str], SetList(), Doc("Addresses of the endpoint, 1 to 100; clients use only the first.")
    ] = []
    conditions: Annotated[EndpointConditions, Doc("Readiness of the endpoint: ready, serving and terminating.")] = (
        msgspec.field(default_factory=EndpointConditions)
    )
    deprecatedTopology: Annotated[
        dict[str, str], Doc("Topology labels of the endpoint in the form of v1beta1; read-only.")
    ] = {}
    hints: Annotated[EndpointHints, Doc("Hints about the clients that should use the endpoint.")] | None = None
    hostname: (
        Annotated[str, Format("dns-label"), Doc("Host name of the endpoint within the headless service's domain.")]
        | None
    ) = None
    nodeName: Annotated[str, Format("dns-subdomain"), Doc("Name of the node that the endpoint runs on.")] | None = None
    targetRef: (
        Annotated[ObjectReference, Atomic(), Doc("Reference to the object behind the endpoint, usually a pod.")] | None
    ) = None
    zone: Annotated[str, Doc("Name of the zone that the endpoint runs in.")] | None = None


class EndpointPort(Record):
    """Port on which all endpoints of a slice accept connections."""

    name: (
        Annotated[
            str,
            Format("dns-label"),
            Doc("Name of the service port; unique in the slice, empty if the service has one unnamed port."),
        ]
        | None
    ) = None
    appProtocol: (
        Annotated[
            str,
            Format("qualified-name"),
            Doc("Application protocol of the port, as a hint for clients, such as kubernetes.io/h2c."),
        ]
        | None
    ) = None
    port: (
        Annotated[Int32, Doc("Port number on the endpoints; if absent, the port's meaning is left to the client.")]
        | None
    ) = None
    protocol: (
        Annotated[str, OneOf("TCP", "UDP", "SCTP"), Doc("Transport protocol of the port: TCP (default), UDP or SCTP.")]
        | None
    ) = None


class EndpointSlice(Object):
    """Part of the endpoints of a service, all of one address type; several slices together list all endpoints."""

    addressType: Annotated[
        str,
        Required(),
        OneOf("IPv4", "IPv6", "FQDN"),
        Immutable(),
        Doc("Type of all addresses in the slice: IPv4, IPv6 or FQDN; immutable."),
    ] = ""
    endpoints: Annotated[list[Endpoint], Atomic(), Doc("Endpoints of the slice, at most 1000.")] = msgspec.field(
        default_factory=empty_list
    )
    ports: Annotated[
        list[EndpointPort], Atomic(), Doc("Ports that every endpoint of the slice offers, at most 100.")
    ] = []


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
        Column(
            "AddressType",
            lambda endpoints, _: endpoints.addressType,
            doc="Type of all addresses in the slice: IPv4, IPv6 or FQDN.",
        ),
        Column("Ports", _ports, doc="Ports that every endpoint of the slice offers."),
        Column("Endpoints", _addresses, doc="Addresses of the endpoints, ready or not."),
        AGE,
    ),
    default=_default,
    rules=_rules,
)
