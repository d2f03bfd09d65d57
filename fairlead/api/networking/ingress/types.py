"""An ingress: which HTTP requests go to which service."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Int32, Object, Record
from fairlead.api.networking.ingress.spec import IngressSpec
from fairlead.machinery.kind import Atomic, Doc


class IngressPortStatus(Record):
    port: Annotated[Int32, Doc("The port it is about.")] = msgspec.field(default_factory=int)
    protocol: Annotated[str, Doc("TCP, UDP or SCTP.")] = msgspec.field(default_factory=str)
    error: Annotated[str, Doc("What is wrong with it.")] | None = None


class IngressLoadBalancerIngress(Record):
    hostname: Annotated[str, Doc("Or a name.")] = ""
    ip: Annotated[str, Doc("An address given.")] = ""
    ports: Annotated[list[IngressPortStatus], Atomic(), Doc("What became of its ports.")] = []


class IngressLoadBalancerStatus(Record):
    ingress: Annotated[list[IngressLoadBalancerIngress], Atomic(), Doc("Where it can be reached.")] = []


class IngressStatus(Record):
    loadBalancer: Annotated[IngressLoadBalancerStatus, Doc("What its controller gave it.")] = msgspec.field(
        default_factory=IngressLoadBalancerStatus
    )


class Ingress(Object):
    """Which HTTP requests from outside go to which service."""

    spec: Annotated[IngressSpec, Doc("Which requests go where.")] = msgspec.field(default_factory=IngressSpec)
    status: Annotated[IngressStatus, Doc("Where it can be reached.")] = msgspec.field(default_factory=IngressStatus)
