"""What a pod is to be, and the template that workloads make pods from."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.core.pod.affinity import Affinity, Toleration, TopologySpreadConstraint
from fairlead.api.core.pod.container import Container, EphemeralContainer, ResourceRequirements
from fairlead.api.core.pod.security import PodSecurityContext
from fairlead.api.core.pod.volume import Volume
from fairlead.api.meta.reference import LocalObjectReference
from fairlead.api.meta.types import BY_NAME, Int32, Int64, ObjectMeta, Record, Resources, Strings
from fairlead.machinery.kind import Atomic, Doc, Format, ListMap, OneOf, Range, Required


class HostAlias(Record):
    ip: Annotated[str, Doc("The address.")] = ""
    hostnames: Annotated[Strings, Doc("Its names.")] = []


class PodDNSConfigOption(Record):
    name: Annotated[str, Doc("The option.")] = ""
    value: Annotated[str, Doc("Its value, where it has one.")] | None = None


class PodDNSConfig(Record):
    nameservers: Annotated[Strings, Doc("Further name servers.")] = []
    options: Annotated[list[PodDNSConfigOption], Atomic(), Doc("Further options of the resolver.")] = []
    searches: Annotated[Strings, Doc("Further domains to look short names up in.")] = []


class PodOS(Record):
    name: Annotated[str, OneOf("linux", "windows"), Doc("linux or windows.")] = ""


class PodReadinessGate(Record):
    conditionType: Annotated[
        str, Required(), Format("qualified-name"), Doc("The condition of the pod that must be True.")
    ] = ""


class PodResourceClaim(Record):
    name: Annotated[str, Doc("What its containers call it.")] = ""
    resourceClaimName: Annotated[str, Doc("A claim that is there already.")] | None = None
    resourceClaimTemplateName: (
        Annotated[str, Doc("Or the template that a claim of the pod's own is made from.")] | None
    ) = None


class PodSchedulingGate(Record):
    name: Annotated[str, Doc("Its name.")] = ""


class PodSchedulingGroup(Record):
    podGroupName: Annotated[str, Doc("The group's name.")] | None = None


class EvictionResponder(Record):
    name: Annotated[str, Doc("Who is asked.")] = ""
    priority: Annotated[Int32, Doc("Who is asked first: the highest.")] = msgspec.field(default_factory=int)


class PodSpec(Record):
    containers: Annotated[list[Container], BY_NAME, Doc("What runs.")] = []
    activeDeadlineSeconds: Annotated[Int64, Range(1, 2147483647), Doc("How long it may run.")] | None = None
    affinity: Annotated[Affinity, Doc("Which nodes and neighbours it wants.")] | None = None
    automountServiceAccountToken: Annotated[bool, Doc("Whether it gets a token of its service account.")] | None = None
    dnsConfig: Annotated[PodDNSConfig, Doc("Additions to what its dnsPolicy makes of resolv.conf.")] | None = None
    dnsPolicy: Annotated[
        str, OneOf("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"), Doc("Where its names are looked up.")
    ] = ""
    enableServiceLinks: Annotated[bool, Doc("Whether services are told to it by environment variables.")] | None = None
    ephemeralContainers: Annotated[
        list[EphemeralContainer], BY_NAME, Doc("Containers added later, to look around.")
    ] = []
    evictionResponders: Annotated[
        list[EvictionResponder], BY_NAME, Doc("Who is asked, and in which order, before it is evicted.")
    ] = []
    hostAliases: Annotated[list[HostAlias], ListMap(keys=("ip",), patch_key="ip"), Doc("Lines of its hosts file.")] = []
    hostIPC: Annotated[bool, Doc("Whether it shares the node's IPC.")] = False
    hostNetwork: Annotated[bool, Doc("Whether it shares its node's network.")] = False
    hostPID: Annotated[bool, Doc("Whether it sees the node's processes.")] = False
    hostUsers: Annotated[bool, Doc("Whether it uses the node's user ids.")] | None = None
    hostname: Annotated[str, Format("dns-label"), Doc("Its host name; its own name unless given.")] = ""
    hostnameOverride: Annotated[str, Doc("The name it sees as its host's.")] | None = None
    imagePullSecrets: Annotated[list[LocalObjectReference], BY_NAME, Doc("Secrets its images are pulled with.")] = []
    initContainers: Annotated[list[Container], BY_NAME, Doc("What runs before, one after the other.")] = []
    nodeName: Annotated[str, Format("dns-subdomain"), Doc("The node it runs on; the scheduler fills it in.")] = ""
    nodeSelector: Annotated[dict[str, str], Atomic(), Doc("Labels a node must have.")] = {}
    os: Annotated[PodOS, Doc("The system it is for.")] | None = None
    overhead: Annotated[Resources, Doc("What running it costs besides its containers.")] = {}
    preemptionPolicy: (
        Annotated[str, OneOf("PreemptLowerPriority", "Never"), Doc("Whether it may push others out.")] | None
    ) = None
    priority: Annotated[Int32, Doc("How important it is.")] | None = None
    priorityClassName: Annotated[str, Doc("The class that says how important.")] = ""
    readinessGates: Annotated[
        list[PodReadinessGate], Atomic(), Doc("Further conditions that must be true before it is ready.")
    ] = []
    resourceClaims: Annotated[
        list[PodResourceClaim], ListMap(keys=("name",), patch_key="name", retain_keys=True), Doc("Devices it claims.")
    ] = []
    resources: Annotated[ResourceRequirements, Doc("What all its containers together may use.")] | None = None
    restartPolicy: Annotated[str, OneOf("Always", "OnFailure", "Never"), Doc("Always, OnFailure or Never.")] = ""
    runtimeClassName: Annotated[str, Doc("How it is run.")] | None = None
    schedulerName: Annotated[str, Doc("Who picks its node.")] = ""
    schedulingGates: Annotated[
        list[PodSchedulingGate], BY_NAME, Doc("What must be lifted before a node is looked for.")
    ] = []
    schedulingGroup: Annotated[PodSchedulingGroup, Doc("The group of pods that it is placed with.")] | None = None
    securityContext: Annotated[PodSecurityContext, Doc("Whom it runs as, and what it may do.")] | None = None
    serviceAccount: Annotated[str, Doc("Deprecated: serviceAccountName.")] = ""
    serviceAccountName: Annotated[str, Format("dns-subdomain"), Doc("Who it is to the API.")] = ""
    setHostnameAsFQDN: Annotated[bool, Doc("Whether it sees its full name as its host's.")] | None = None
    shareProcessNamespace: Annotated[bool, Doc("Whether its containers see one another's processes.")] | None = None
    subdomain: Annotated[str, Format("dns-label"), Doc("The headless service under which its host name is known.")] = ""
    terminationGracePeriodSeconds: Annotated[Int64, Doc("How long it has to end by itself.")] | None = None
    tolerations: Annotated[list[Toleration], Atomic(), Doc("Taints of nodes it puts up with.")] = []
    topologySpreadConstraints: Annotated[
        list[TopologySpreadConstraint],
        ListMap(keys=("topologyKey", "whenUnsatisfiable"), patch_key="topologyKey"),
        Doc("How evenly its like are spread."),
    ] = []
    volumes: Annotated[
        list[Volume], ListMap(keys=("name",), patch_key="name", retain_keys=True), Doc("What containers can mount.")
    ] = []


class PodTemplateSpec(Record):
    metadata: Annotated[ObjectMeta, Doc("Labels and annotations of the pods.")] = msgspec.field(
        default_factory=ObjectMeta
    )
    spec: Annotated[PodSpec, Doc("What the pods are to be.")] = msgspec.field(default_factory=PodSpec)
