"""What a pod is to be, and the template that workloads make pods from."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.affinity import Affinity, Toleration, TopologySpreadConstraint
from fairlead.api.container import Container, EphemeralContainer, ResourceRequirements
from fairlead.api.meta import BY_NAME, Int32, Int64, ObjectMeta, Record, Resources, Strings
from fairlead.api.reference import LocalObjectReference
from fairlead.api.security import PodSecurityContext
from fairlead.api.volume import Volume
from fairlead.machinery.kind import Atomic, Format, ListMap, OneOf, Range, Required


class HostAlias(Record):
    ip: str = ""
    hostnames: Strings = []


class PodDNSConfigOption(Record):
    name: str = ""
    value: str | None = None


class PodDNSConfig(Record):
    nameservers: Strings = []
    options: Annotated[list[PodDNSConfigOption], Atomic()] = []
    searches: Strings = []


class PodOS(Record):
    name: Annotated[str, OneOf("linux", "windows")] = ""


class PodReadinessGate(Record):
    conditionType: Annotated[str, Required(), Format("qualified-name")] = ""


class PodResourceClaim(Record):
    name: str = ""
    resourceClaimName: str | None = None
    resourceClaimTemplateName: str | None = None


class PodSchedulingGate(Record):
    name: str = ""


class PodSchedulingGroup(Record):
    podGroupName: str | None = None


class EvictionResponder(Record):
    name: str = ""
    priority: Int32 = msgspec.field(default_factory=int)


class PodSpec(Record):
    containers: Annotated[list[Container], BY_NAME] = []
    activeDeadlineSeconds: Annotated[Int64, Range(1, 2147483647)] | None = None
    affinity: Affinity | None = None
    automountServiceAccountToken: bool | None = None
    dnsConfig: PodDNSConfig | None = None
    dnsPolicy: Annotated[str, OneOf("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")] = ""
    enableServiceLinks: bool | None = None
    ephemeralContainers: Annotated[list[EphemeralContainer], BY_NAME] = []
    evictionResponders: Annotated[list[EvictionResponder], BY_NAME] = []
    hostAliases: Annotated[list[HostAlias], ListMap(keys=("ip",), patch_key="ip")] = []
    hostIPC: bool = False
    hostNetwork: bool = False
    hostPID: bool = False
    hostUsers: bool | None = None
    hostname: Annotated[str, Format("dns-label")] = ""
    hostnameOverride: str | None = None
    imagePullSecrets: Annotated[list[LocalObjectReference], BY_NAME] = []
    initContainers: Annotated[list[Container], BY_NAME] = []
    nodeName: Annotated[str, Format("dns-subdomain")] = ""
    nodeSelector: Annotated[dict[str, str], Atomic()] = {}
    os: PodOS | None = None
    overhead: Resources = {}
    preemptionPolicy: Annotated[str, OneOf("PreemptLowerPriority", "Never")] | None = None
    priority: Int32 | None = None
    priorityClassName: str = ""
    readinessGates: Annotated[list[PodReadinessGate], Atomic()] = []
    resourceClaims: Annotated[list[PodResourceClaim], ListMap(keys=("name",), patch_key="name", retain_keys=True)] = []
    resources: ResourceRequirements | None = None
    restartPolicy: Annotated[str, OneOf("Always", "OnFailure", "Never")] = ""
    runtimeClassName: str | None = None
    schedulerName: str = ""
    schedulingGates: Annotated[list[PodSchedulingGate], BY_NAME] = []
    schedulingGroup: PodSchedulingGroup | None = None
    securityContext: PodSecurityContext | None = None
    serviceAccount: str = ""
    serviceAccountName: Annotated[str, Format("dns-subdomain")] = ""
    setHostnameAsFQDN: bool | None = None
    shareProcessNamespace: bool | None = None
    subdomain: Annotated[str, Format("dns-label")] = ""
    terminationGracePeriodSeconds: Int64 | None = None
    tolerations: Annotated[list[Toleration], Atomic()] = []
    topologySpreadConstraints: Annotated[
        list[TopologySpreadConstraint], ListMap(keys=("topologyKey", "whenUnsatisfiable"), patch_key="topologyKey")
    ] = []
    volumes: Annotated[list[Volume], ListMap(keys=("name",), patch_key="name", retain_keys=True)] = []


class PodTemplateSpec(Record):
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
