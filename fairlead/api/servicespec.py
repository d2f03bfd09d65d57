"""What a service is to be."""

from __future__ import annotations

from typing import Annotated

from fairlead.api.meta import Int32, IntOrString, Record, Strings
from fairlead.machinery.kind import Atomic, Format, ListMap, OneOf


class ServicePort(Record):
    name: str = ""
    port: Int32 = 0
    appProtocol: Annotated[str, Format("qualified-name")] | None = None
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
    trafficDistribution: Annotated[str, OneOf("PreferClose", "PreferSameNode", "PreferSameZone")] | None = None
