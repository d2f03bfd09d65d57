"""An ingress: which HTTP requests go to which service. Stored and checked; nothing here serves it yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME, NONE
from fairlead.api.meta.types import Int32, Object, Record
from fairlead.api.networking.ingress.rules import ingress_errors, ingress_warnings, new_ingress_errors
from fairlead.api.networking.ingress.spec import IngressSpec
from fairlead.base.instant import Instant
from fairlead.machinery.kind import Atomic, Column, Doc, Kind

_HOSTS_SHOWN = 3


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


def _prepare_create(ingress: Ingress) -> Ingress:
    ingress.status = IngressStatus()
    return ingress


def _class(ingress: Ingress, _: Instant) -> str:
    return ingress.spec.ingressClassName or ingress.metadata.annotations.get("kubernetes.io/ingress.class") or NONE


def _hosts(ingress: Ingress, _: Instant) -> str:
    hosts = [rule.host for rule in ingress.spec.rules if rule.host]
    if not hosts:
        return "*"
    more = f" + {len(hosts) - _HOSTS_SHOWN} more..." if len(hosts) > _HOSTS_SHOWN else ""
    return ",".join(hosts[:_HOSTS_SHOWN]) + more


def _address(ingress: Ingress, _: Instant) -> str:
    return _joined(point.ip or point.hostname for point in ingress.status.loadBalancer.ingress)


def _joined(texts: Iterable[str]) -> str:
    return ",".join(sorted({text for text in texts if text}))


INGRESS = Kind(
    type=Ingress,
    kind="Ingress",
    group="networking.k8s.io",
    plural="ingresses",
    singular="ingress",
    short_names=("ing",),
    status=True,
    generation=True,
    inert="nothing in this cluster acts on an Ingress, unless a controller of yours does",
    columns=(
        NAME,
        Column("Class", _class, doc="Who is to serve it."),
        Column("Hosts", _hosts, doc="The names that requests ask for."),
        Column("Address", _address, doc="Where it can be reached."),
        Column("Ports", lambda ingress, _: "80, 443" if ingress.spec.tls else "80", doc="Its ports."),
        AGE,
    ),
    prepare_create=_prepare_create,
    rules=ingress_errors,
    create_rules=new_ingress_errors,
    warnings=ingress_warnings,
)
