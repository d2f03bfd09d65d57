"""The addresses behind a service, in the old form that is still written for old clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME, NONE, first_few, join_host_port
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.rules import ip_address, ordinary_ip, port_number
from fairlead.api.meta.types import Int32, Object, Record
from fairlead.base.instant import Instant
from fairlead.machinery.kind import Atomic, Column, Doc, Format, Kind, OneOf
from fairlead.machinery.status import FieldError, required


class EndpointAddress(Record):
    ip: Annotated[str, Doc("The address.")] = ""
    hostname: Annotated[str, Format("dns-label"), Doc("Its name under a headless service.")] = ""
    nodeName: Annotated[str, Format("dns-subdomain"), Doc("The node it is on.")] | None = None
    targetRef: Annotated[ObjectReference, Atomic(), Doc("The pod it belongs to.")] | None = None


class EndpointPort(Record):
    name: Annotated[str, Format("dns-label"), Doc("The service port's name.")] = ""
    port: Annotated[Int32, Doc("The number.")] = msgspec.field(default_factory=int)
    appProtocol: Annotated[str, Format("qualified-name"), Doc("What is spoken on it.")] | None = None
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP"), Doc("TCP, UDP or SCTP.")] = ""


class EndpointSubset(Record):
    addresses: Annotated[list[EndpointAddress], Atomic(), Doc("Those that are ready.")] = []
    notReadyAddresses: Annotated[list[EndpointAddress], Atomic(), Doc("Those that are not.")] = []
    ports: Annotated[list[EndpointPort], Atomic(), Doc("Of every address in the subset.")] = []


class Endpoints(Object):
    """The addresses behind the service of the same name. New clients read EndpointSlices."""

    subsets: Annotated[list[EndpointSubset], Atomic(), Doc("Addresses by the ports they have.")] = []


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
    kind="Endpoints",
    plural="endpoints",
    storage_path="services/endpoints",
    cached="object",
    singular="endpoints",
    short_names=("ep",),
    columns=(
        NAME,
        Column("Endpoints", _addresses, doc="Addresses and ports that are ready."),
        AGE,
    ),
    default=_default,
    rules=_rules,
)
