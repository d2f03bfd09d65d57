"""Desired state of an ingress."""

from typing import Annotated

import msgspec

from fairlead.api.meta.reference import TypedLocalObjectReference
from fairlead.api.meta.types import Int32, Record, Strings
from fairlead.machinery.kinds.kind import Atomic, Doc


class ServiceBackendPort(Record):
    """Port of a service, given by name or by number."""

    name: Annotated[str, Doc("Name of the service's port; mutually exclusive with `number`.")] = ""
    number: Annotated[Int32, Doc("Number of the service's port, 1 to 65535; mutually exclusive with `name`.")] = 0


class IngressServiceBackend(Record):
    """Service and port that receive the matching requests of an ingress."""

    name: Annotated[str, Doc("Name of the service, in the namespace of the ingress.")] = msgspec.field(
        default_factory=str
    )
    port: Annotated[
        ServiceBackendPort, Atomic(), Doc("Port of the service that receives the requests, by name or number.")
    ] = msgspec.field(default_factory=ServiceBackendPort)


class IngressBackend(Record):
    """Receiver of matching requests: either a service or another object."""

    resource: (
        Annotated[
            TypedLocalObjectReference,
            Atomic(),
            Doc(
                "Reference to an object in the ingress's namespace that the controller knows; mutually exclusive "
                "with `service`."
            ),
        ]
        | None
    ) = None
    service: (
        Annotated[IngressServiceBackend, Doc("Service that receives the requests; mutually exclusive with `resource`.")]
        | None
    ) = None


class HTTPIngressPath(Record):
    """Path of HTTP requests, and the backend that receives the requests for it."""

    backend: Annotated[IngressBackend, Doc("Service or resource that receives requests for the path.")] = msgspec.field(
        default_factory=IngressBackend
    )
    path: Annotated[str, Doc("Path of the request URL; must start with / if `pathType` is Exact or Prefix.")] = ""
    pathType: (
        Annotated[
            str,
            Doc(
                "Matching of the path: Exact, Prefix (by whole segments) or ImplementationSpecific (by rules of "
                "the controller)."
            ),
        ]
        | None
    ) = None


class HTTPIngressRuleValue(Record):
    """Paths of one host, each with the backend that receives its requests."""

    paths: Annotated[list[HTTPIngressPath], Atomic(), Doc("Paths of the host and the backends that serve them.")] = (
        msgspec.field(default_factory=lambda: list[HTTPIngressPath]())
    )


class IngressRule(Record):
    """Rules for the HTTP requests to one host, or to all hosts if none is named."""

    host: Annotated[
        str, Doc("Host name that the rule matches, optionally with a leading `*.`; all hosts if empty.")
    ] = ""
    http: Annotated[HTTPIngressRuleValue, Doc("Paths and backends for HTTP requests to the host.")] | None = None


class IngressTLS(Record):
    """Certificate from a secret, and the hosts for which the ingress presents it."""

    hosts: Annotated[Strings, Doc("Host names for which the certificate is valid.")] = []
    secretName: Annotated[str, Doc("Name of the secret that holds the certificate and the private key.")] = ""


class IngressSpec(Record):
    """Desired state of an ingress: its class, rules, default backend and certificates."""

    defaultBackend: (
        Annotated[IngressBackend, Doc("Backend for requests that match no rule; required if `rules` is empty.")] | None
    ) = None
    ingressClassName: Annotated[str, Doc("Name of the IngressClass whose controller serves the ingress.")] | None = None
    rules: Annotated[list[IngressRule], Atomic(), Doc("Rules by which hosts and paths are assigned to backends.")] = []
    tls: Annotated[
        list[IngressTLS], Atomic(), Doc("Certificates for hosts of the ingress, which are then served over HTTPS.")
    ] = []
