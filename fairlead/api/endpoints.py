"""The addresses behind a service, in the old form that is still written for old clients."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.columns import AGE, NAME, NONE, first_few, join_host_port
from fairlead.api.meta import Int32, Object, Record
from fairlead.api.reference import ObjectReference
from fairlead.base.instant import Instant
from fairlead.machinery.kind import Atomic, Column, Kind


class EndpointAddress(Record):
    ip: str = ""
    hostname: str = ""
    nodeName: str | None = None
    targetRef: Annotated[ObjectReference, Atomic()] | None = None


class EndpointPort(Record):
    name: str = ""
    port: Int32 = msgspec.field(default_factory=int)
    appProtocol: str | None = None
    protocol: str = ""


class EndpointSubset(Record):
    addresses: Annotated[list[EndpointAddress], Atomic()] = []
    notReadyAddresses: Annotated[list[EndpointAddress], Atomic()] = []
    ports: Annotated[list[EndpointPort], Atomic()] = []


class Endpoints(Object):
    subsets: Annotated[list[EndpointSubset], Atomic()] = []


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


ENDPOINTS = Kind(
    type=Endpoints,
    kind="Endpoints",
    plural="endpoints",
    singular="endpoints",
    short_names=("ep",),
    columns=(
        NAME,
        Column("Endpoints", _addresses, doc="Addresses and ports that are ready."),
        AGE,
    ),
    default=_default,
)
