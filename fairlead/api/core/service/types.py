"""The structs of the Service kind."""

from typing import Annotated

import msgspec

from fairlead.api.core.service.spec import ServiceSpec
from fairlead.api.meta.types import BY_TYPE, Condition, Int32, Object, Record
from fairlead.machinery.kinds.kind import Atomic, Doc


class PortStatus(Record):
    """State of one port of a load balancer, with an error if the port failed."""

    port: Annotated[Int32, Doc("Port number of the service that the status is about.")] = msgspec.field(
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


class LoadBalancerIngress(Record):
    """Address or host name at which a load balancer accepts traffic for the service."""

    hostname: Annotated[str, Doc("Host name of the ingress point, set by load balancers that are reached by name.")] = (
        ""
    )
    ip: Annotated[str, Doc("IP address of the ingress point, set by load balancers that are reached by address.")] = ""
    ipMode: (
        Annotated[
            str,
            Doc(
                "VIP (default) if packets reach nodes with the balancer's address as destination; Proxy if with "
                "a node's or pod's."
            ),
        ]
        | None
    ) = None
    ports: Annotated[
        list[PortStatus], Atomic(), Doc("Status of each of the service's ports at the ingress point.")
    ] = []


class LoadBalancerStatus(Record):
    """Addresses at which the load balancer of a service accepts traffic."""

    ingress: Annotated[
        list[LoadBalancerIngress],
        Atomic(),
        Doc("Ingress points of the load balancer; traffic sent to them reaches the service."),
    ] = []


class ServiceStatus(Record):
    """Most recently observed state of a service: its load balancer and its conditions."""

    conditions: Annotated[list[Condition], BY_TYPE, Doc("Most recent observations of the service's state.")] = []
    loadBalancer: Annotated[LoadBalancerStatus, Doc("Addresses that the load balancer assigned to the service.")] = (
        msgspec.field(default_factory=LoadBalancerStatus)
    )


class Service(Object):
    """Stable address and DNS name in front of a changing set of pods."""

    spec: Annotated[ServiceSpec, Doc("Desired state of the service: type, ports, selector and addresses.")] = (
        msgspec.field(default_factory=ServiceSpec)
    )
    status: Annotated[ServiceStatus, Doc("Most recently observed state of the service; written by the system.")] = (
        msgspec.field(default_factory=ServiceStatus)
    )
