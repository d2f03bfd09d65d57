"""A service: one stable address in front of a changing group of pods."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import BY_TYPE, Condition, Int32, IntOrString, Object, Record, Strings
from fairlead.machinery.kind import Atomic, Kind, ListMap, OneOf


class ServicePort(Record):
    name: str = ""
    port: Int32 = 0
    appProtocol: str | None = None
    nodePort: Int32 = 0
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP")] = ""
    targetPort: IntOrString = 0


class ClientIPConfig(Record):
    timeoutSeconds: Int32 | None = None


class SessionAffinityConfig(Record):
    clientIP: ClientIPConfig | None = None


class ServiceSpec(Record):
    type: Annotated[str, OneOf("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")] = ""
    allocateLoadBalancerNodePorts: bool | None = None
    clusterIP: str = ""
    clusterIPs: Strings = []
    externalIPs: Strings = []
    externalName: str = ""
    externalTrafficPolicy: str = ""
    healthCheckNodePort: Int32 = 0
    internalTrafficPolicy: Annotated[str, OneOf("Cluster", "Local")] | None = None
    ipFamilies: Strings = []
    ipFamilyPolicy: Annotated[str, OneOf("SingleStack", "PreferDualStack", "RequireDualStack")] | None = None
    loadBalancerClass: str | None = None
    loadBalancerIP: str = ""
    loadBalancerSourceRanges: Strings = []
    ports: Annotated[list[ServicePort], ListMap(keys=("port", "protocol"), patch_key="port")] = []
    publishNotReadyAddresses: bool = False
    selector: Annotated[dict[str, str], Atomic()] = {}
    sessionAffinity: Annotated[str, OneOf("ClientIP", "None")] = ""
    sessionAffinityConfig: SessionAffinityConfig | None = None
    trafficDistribution: str | None = None


class PortStatus(Record):
    port: Int32 = msgspec.field(default_factory=int)
    protocol: str = ""
    error: str | None = None


class LoadBalancerIngress(Record):
    hostname: str = ""
    ip: str = ""
    ipMode: str | None = None
    ports: Annotated[list[PortStatus], Atomic()] = []


class LoadBalancerStatus(Record):
    ingress: Annotated[list[LoadBalancerIngress], Atomic()] = []


class ServiceStatus(Record):
    conditions: Annotated[list[Condition], BY_TYPE] = []
    loadBalancer: LoadBalancerStatus = msgspec.field(default_factory=LoadBalancerStatus)


class Service(Object):
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)
    status: ServiceStatus = msgspec.field(default_factory=ServiceStatus)


SERVICE = Kind(
    type=Service,
    kind="Service",
    plural="services",
    singular="service",
    short_names=("svc",),
    categories=("all",),
    status=True,
    name_rule="dns1035",
)
