"""What an ingress is to be."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta.reference import TypedLocalObjectReference
from fairlead.api.meta.types import Int32, Record, Strings
from fairlead.machinery.kind import Atomic, Doc


class ServiceBackendPort(Record):
    name: Annotated[str, Doc("The port's name on the service.")] = ""
    number: Annotated[Int32, Doc("Or its number.")] = 0


class IngressServiceBackend(Record):
    name: Annotated[str, Doc("The service's name, in the ingress's namespace.")] = msgspec.field(default_factory=str)
    port: Annotated[ServiceBackendPort, Atomic(), Doc("Which of its ports.")] = msgspec.field(
        default_factory=ServiceBackendPort
    )


class IngressBackend(Record):
    resource: (
        Annotated[TypedLocalObjectReference, Atomic(), Doc("Another object that its controller knows.")] | None
    ) = None
    service: Annotated[IngressServiceBackend, Doc("A service.")] | None = None


class HTTPIngressPath(Record):
    backend: Annotated[IngressBackend, Doc("Where they go.")] = msgspec.field(default_factory=IngressBackend)
    path: Annotated[str, Doc("The path that requests ask for.")] = ""
    pathType: (
        Annotated[str, Doc("Exact, Prefix (by whole segments), or ImplementationSpecific: as its controller likes.")]
        | None
    ) = None


class HTTPIngressRuleValue(Record):
    paths: Annotated[list[HTTPIngressPath], Atomic(), Doc("Which paths go where.")] = msgspec.field(
        default_factory=lambda: list[HTTPIngressPath]()
    )


class IngressRule(Record):
    host: Annotated[str, Doc("The name that requests ask for, perhaps with `*.` before it; any unless given.")] = ""
    http: Annotated[HTTPIngressRuleValue, Doc("Which of its requests go where.")] | None = None


class IngressTLS(Record):
    hosts: Annotated[Strings, Doc("The names that the certificate is for.")] = []
    secretName: Annotated[str, Doc("The secret that holds the certificate.")] = ""


class IngressSpec(Record):
    defaultBackend: Annotated[IngressBackend, Doc("Where requests go that no rule is about.")] | None = None
    ingressClassName: Annotated[str, Doc("The IngressClass whose controller is to serve it.")] | None = None
    rules: Annotated[list[IngressRule], Atomic(), Doc("Which requests go where.")] = []
    tls: Annotated[list[IngressTLS], Atomic(), Doc("Certificates.")] = []
