"""The addresses behind a service, in the old form that is still written for old clients."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import Int32, Object, Record
from fairlead.api.reference import ObjectReference
from fairlead.machinery.kind import Atomic, Kind


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


ENDPOINTS = Kind(
    type=Endpoints,
    kind="Endpoints",
    plural="endpoints",
    singular="endpoints",
    short_names=("ep",),
)
