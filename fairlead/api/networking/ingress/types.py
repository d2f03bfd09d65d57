"""The structs of the Ingress kind."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Int32, Object, Record
from fairlead.api.networking.ingress.spec import IngressSpec
from fairlead.machinery.kinds.kind import Atomic, Doc


class IngressPortStatus(Record):
    """State of one port of an ingress, with an error if the port failed."""

    port: Annotated[Int32, Doc("Port number of the ingress that the status is about.")] = msgspec.field(
        default_factory=int
    )
    protocol: Annotated[str, Doc("Transport protocol of the port: TCP (default), UDP or SCTP.")] = msgspec.field(
        default_factory=str
    )
    error: (
        Annotated[
            str, Doc("Problem with the port as one CamelCase word or `<domain>/<name>`; absent if there is none.")
        ]
        | None
    ) = None


class IngressLoadBalancerIngress(Record):
    """Address or host name at which an ingress accepts traffic."""

    hostname: Annotated[str, Doc("Host name of the ingress point, set by load balancers that are reached by name.")] = (
        ""
    )
    ip: Annotated[str, Doc("IP address of the ingress point, set by load balancers that are reached by address.")] = ""
    ports: Annotated[list[IngressPortStatus], Atomic(), Doc("Status of each port at the ingress point.")] = []


class IngressLoadBalancerStatus(Record):
    """Addresses at which the load balancer of an ingress accepts traffic."""

    ingress: Annotated[
        list[IngressLoadBalancerIngress], Atomic(), Doc("Addresses and names under which the ingress is reachable.")
    ] = []


class IngressStatus(Record):
    """Most recently observed state of an ingress: the addresses of its load balancer."""

    loadBalancer: Annotated[
        IngressLoadBalancerStatus, Doc("Addresses that the controller's load balancer assigned to the ingress.")
    ] = msgspec.field(default_factory=IngressLoadBalancerStatus)


class Ingress(Object):
    """Rules by which HTTP requests from outside reach services, by host and path; served by a separate controller."""

    spec: Annotated[
        IngressSpec, Doc("Desired state of the ingress: class, rules, default backend and certificates.")
    ] = msgspec.field(default_factory=IngressSpec)
    status: Annotated[IngressStatus, Doc("Most recently observed state of the ingress; written by the system.")] = (
        msgspec.field(default_factory=IngressStatus)
    )
