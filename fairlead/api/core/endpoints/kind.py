"""The Endpoints kind: the legacy form of a service's addresses, still written for old clients."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME, NONE, first_few, join_host_port
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.rules import ip_address, ordinary_ip, port_number
from fairlead.api.meta.types import Int32, Object, Record
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Format, Kind, OneOf
from fairlead.machinery.values.status import FieldError, required


class EndpointAddress(Record):
    """Address of one pod or server behind a service."""

    ip: Annotated[str, Doc("IP address of the endpoint; not a loopback, link-local or multicast address.")] = ""
    hostname: Annotated[
        str, Format("dns-label"), Doc("Host name of the endpoint within the headless service's domain.")
    ] = ""
    nodeName: Annotated[str, Format("dns-subdomain"), Doc("Name of the node that the endpoint runs on.")] | None = None
    targetRef: (
        Annotated[ObjectReference, Atomic(), Doc("Reference to the object behind the address, usually a pod.")] | None
    ) = None


class EndpointPort(Record):
    """Port on which the addresses of a subset accept connections."""

    name: Annotated[
        str,
        Format("dns-label"),
        Doc("Name of the service port; a DNS label, required if the subset has several ports."),
    ] = ""
    port: Annotated[Int32, Doc("Port number of the endpoint, 1 to 65535.")] = msgspec.field(default_factory=int)
    appProtocol: (
        Annotated[
            str,
            Format("qualified-name"),
            Doc("Application protocol of the port, as a hint for clients, such as kubernetes.io/h2c."),
        ]
        | None
    ) = None
    protocol: Annotated[
        str, OneOf("TCP", "UDP", "SCTP"), Doc("Transport protocol of the port: TCP (default), UDP or SCTP.")
    ] = ""


class EndpointSubset(Record):
    """Group of addresses that share the same ports; every address is combined with every port."""

    addresses: Annotated[
        list[EndpointAddress], Atomic(), Doc("Addresses that offer the ports and are ready to receive traffic.")
    ] = []
    notReadyAddresses: Annotated[
        list[EndpointAddress],
        Atomic(),
        Doc("Addresses that offer the ports but do not receive traffic, because they are not ready."),
    ] = []
    ports: Annotated[list[EndpointPort], Atomic(), Doc("Ports that every address of the subset offers.")] = []


class Endpoints(Object):
    """Addresses behind the service of the same name; legacy form of EndpointSlice, which new clients read instead."""

    subsets: Annotated[list[EndpointSubset], Atomic(), Doc("Groups of addresses that offer the same ports.")] = []


def _default(endpoints: Endpoints) -> Endpoints:
    for subset in endpoints.subsets:
        for port in subset.ports:
            port.protocol = port.protocol or "TCP"
    return endpoints


def _addresses(endpoints: Endpoints, _: Instant) -> str:
    if not endpoints.subsets:
        return NONE
    return first_few(text for subset in endpoints.subsets for text in _subset(subset))


def _subset(subset: EndpointSubset) -> list[str]:
    ips = [address.ip for address in subset.addresses]
    return [join_host_port(ip, port.port) for port in subset.ports for ip in ips] if subset.ports else ips


def _rules(endpoints: Endpoints) -> Iterator[FieldError]:
    for i, subset in enumerate(endpoints.subsets):
        path = f"subsets[{i}]"
        if not subset.addresses and not subset.notReadyAddresses:
            yield required(path, "must specify `addresses` or `notReadyAddresses`")
        for name, addresses in (("addresses", subset.addresses), ("notReadyAddresses", subset.notReadyAddresses)):
            for j, address in enumerate(addresses):
                where = f"{path}.{name}[{j}].ip"
                wrong = list(ip_address(address.ip, where))
                yield from wrong or ordinary_ip(address.ip, where)
        for j, port in enumerate(subset.ports):
            if not port.name and len(subset.ports) > 1:
                yield required(f"{path}.ports[{j}].name")
            yield from port_number(port.port, f"{path}.ports[{j}].port")


ENDPOINTS = Kind(
    type=Endpoints,
    created_by_update=True,
    kind="Endpoints",
    plural="endpoints",
    storage_path="services/endpoints",
    cached="object",
    singular="endpoints",
    short_names=("ep",),
    columns=(
        NAME,
        Column("Endpoints", _addresses, doc="Addresses and ports that are ready to receive traffic."),
        AGE,
    ),
    default=_default,
    rules=_rules,
)
