"""A service: one stable address in front of a changing group of pods."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.core.service.spec import ServiceSpec
from fairlead.api.meta.types import BY_TYPE, Condition, Int32, Object, Record
from fairlead.machinery.kind import Atomic, Doc


class PortStatus(Record):
    port: Annotated[Int32, Doc("The service's port that it is about.")] = msgspec.field(default_factory=int)
    protocol: Annotated[str, Doc("TCP, UDP or SCTP.")] = msgspec.field(default_factory=str)
    error: Annotated[str, Doc("What is wrong with it.")] | None = None


class LoadBalancerIngress(Record):
    hostname: Annotated[str, Doc("Or a name.")] = ""
    ip: Annotated[str, Doc("An address given.")] = ""
    ipMode: (
        Annotated[str, Doc("VIP where nodes see the address itself, Proxy where the balancer connects to them.")] | None
    ) = None
    ports: Annotated[list[PortStatus], Atomic(), Doc("What became of its ports.")] = []


class LoadBalancerStatus(Record):
    ingress: Annotated[list[LoadBalancerIngress], Atomic(), Doc("Where it can be reached.")] = []


class ServiceStatus(Record):
    conditions: Annotated[list[Condition], BY_TYPE, Doc("What is worth knowing about it.")] = []
    loadBalancer: Annotated[LoadBalancerStatus, Doc("What the load balancer gave it.")] = msgspec.field(
        default_factory=LoadBalancerStatus
    )


class Service(Object):
    """One stable address and name in front of a changing group of pods."""

    spec: Annotated[ServiceSpec, Doc("What it is to be.")] = msgspec.field(default_factory=ServiceSpec)
    status: Annotated[ServiceStatus, Doc("What became of it.")] = msgspec.field(default_factory=ServiceStatus)
