"""Desired state of a pod, and the template from which workloads create pods."""

from typing import Annotated

import msgspec

from fairlead.api.core.pod.containers.container import Container, EphemeralContainer, ResourceRequirements
from fairlead.api.core.pod.containers.security import PodSecurityContext
from fairlead.api.core.pod.placement.affinity import Affinity, Toleration, TopologySpreadConstraint
from fairlead.api.core.pod.volumes.volume import Volume
from fairlead.api.meta.reference import LocalObjectReference
from fairlead.api.meta.types import BY_NAME, Int32, Int64, ObjectMeta, Record, Resources, Strings
from fairlead.machinery.kinds.kind import Atomic, Doc, Format, ListMap, OneOf, Range, Required


class HostAlias(Record):
    """Line of a pod's /etc/hosts file: an address and its host names."""

    ip: Annotated[str, Doc("IP address of the line in the hosts file.")] = ""
    hostnames: Annotated[Strings, Doc("Host names for the IP address.")] = []


class PodDNSConfigOption(Record):
    """Resolver option for a pod's /etc/resolv.conf, with or without a value."""

    name: Annotated[str, Doc("Name of the resolver option, such as ndots.")] = ""
    value: Annotated[str, Doc("Value of the resolver option; absent for options without a value.")] | None = None


class PodDNSConfig(Record):
    """Name servers, search domains and resolver options for a pod."""

    nameservers: Annotated[
        Strings, Doc("Addresses of name servers, added to those of the dnsPolicy; at most three in total.")
    ] = []
    options: Annotated[
        list[PodDNSConfigOption], Atomic(), Doc("Resolver options; merged with those of the dnsPolicy.")
    ] = []
    searches: Annotated[Strings, Doc("Search domains for short names, added to those of the dnsPolicy.")] = []


class PodOS(Record):
    """Operating system that the containers of a pod require."""

    name: Annotated[str, OneOf("linux", "windows"), Doc("Operating system of the pod: linux or windows.")] = ""


class PodReadinessGate(Record):
    """Additional condition that must be true before a pod counts as ready."""

    conditionType: Annotated[
        str,
        Required(),
        Format("qualified-name"),
        Doc("Type of the pod condition that must be True before the pod is ready."),
    ] = ""


class PodResourceClaim(Record):
    """Resource claim that containers of the pod can refer to by a name."""

    name: Annotated[str, Doc("Name by which containers refer to the claim; unique in the pod.")] = ""
    resourceClaimName: (
        Annotated[str, Doc("Name of an existing ResourceClaim; mutually exclusive with resourceClaimTemplateName.")]
        | None
    ) = None
    resourceClaimTemplateName: (
        Annotated[str, Doc("Name of the template from which a claim for the pod is created and deleted with the pod.")]
        | None
    ) = None


class PodSchedulingGate(Record):
    """Named obstacle; a pod is not scheduled until all its gates are removed."""

    name: Annotated[str, Doc("Name of the scheduling gate, unique in the pod.")] = ""


class PodSchedulingGroup(Record):
    """Reference to the group of pods that a pod is scheduled with."""

    podGroupName: Annotated[str, Doc("Name of the pod group, in the pod's namespace.")] | None = None


class EvictionResponder(Record):
    """Component that is asked before a pod is evicted."""

    name: Annotated[str, Doc("Name of the responder that is asked before the pod is evicted.")] = ""
    priority: Annotated[Int32, Doc("Priority of the responder; responders with a higher number are asked first.")] = (
        msgspec.field(default_factory=int)
    )


class PodSpec(Record):
    """Desired state of a pod: its containers and volumes, and the rules for running and placing them."""

    containers: Annotated[
        list[Container],
        BY_NAME,
        Doc("Containers of the pod, at least one; started together after the init containers."),
    ] = []
    activeDeadlineSeconds: (
        Annotated[
            Int64,
            Range(1, 2147483647),
            Doc("Seconds after the pod's start until it is terminated as failed; unlimited if absent."),
        ]
        | None
    ) = None
    affinity: Annotated[Affinity, Doc("Scheduling rules on nodes and on other pods.")] | None = None
    automountServiceAccountToken: (
        Annotated[
            bool, Doc("Set to false to mount no API token into the containers; default: the service account's value.")
        ]
        | None
    ) = None
    dnsConfig: Annotated[PodDNSConfig, Doc("DNS settings that are added to those of the dnsPolicy.")] | None = None
    dnsPolicy: Annotated[
        str,
        OneOf("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"),
        Doc("DNS policy of the pod: ClusterFirst (default), ClusterFirstWithHostNet, Default (the node's) or None."),
    ] = ""
    enableServiceLinks: (
        Annotated[
            bool, Doc("Set to false to omit the environment variables of the namespace's services; default true.")
        ]
        | None
    ) = None
    ephemeralContainers: Annotated[
        list[EphemeralContainer],
        BY_NAME,
        Doc("Containers added to a running pod for inspection, through the ephemeralcontainers subresource."),
    ] = []
    evictionResponders: Annotated[
        list[EvictionResponder],
        BY_NAME,
        Doc("Responders that are asked before the pod is evicted, in order of priority; ignored by Fairlead."),
    ] = []
    hostAliases: Annotated[
        list[HostAlias], ListMap(keys=("ip",), patch_key="ip"), Doc("Lines that are added to the pod's hosts file.")
    ] = []
    hostIPC: Annotated[
        bool, Doc("Set to true to use the node's IPC namespace; default false. Only clusters of root allow it.")
    ] = False
    hostNetwork: Annotated[
        bool, Doc("Set to true to use the node's network namespace and addresses; default false.")
    ] = False
    hostPID: Annotated[
        bool,
        Doc("Set to true to use the node's process id namespace; default false. Only clusters of root allow it."),
    ] = False
    hostUsers: (
        Annotated[
            bool,
            Doc(
                "Set to false to run the pod in a user namespace separate from the machine's; default true. "
                "Clusters of ordinary users always do; clusters of root cannot."
            ),
        ]
        | None
    ) = None
    hostname: Annotated[str, Format("dns-label"), Doc("Host name of the pod; default: the pod's name.")] = ""
    hostnameOverride: (
        Annotated[
            str, Doc("Host name that processes in the pod see, in place of `hostname` and without effect on DNS.")
        ]
        | None
    ) = None
    imagePullSecrets: Annotated[
        list[LocalObjectReference],
        BY_NAME,
        Doc("References to secrets with registry credentials for the pod's images."),
    ] = []
    initContainers: Annotated[
        list[Container],
        BY_NAME,
        Doc("Containers that run before the others, one after the other; each must succeed, except sidecars."),
    ] = []
    nodeName: Annotated[
        str, Format("dns-subdomain"), Doc("Name of the node that the pod runs on; set by the scheduler.")
    ] = ""
    nodeSelector: Annotated[dict[str, str], Atomic(), Doc("Labels that a node must carry to receive the pod.")] = {}
    os: (
        Annotated[
            PodOS,
            Doc(
                "Operating system of the pod's containers; Fairlead's nodes run linux only and ignore the name windows."
            ),
        ]
        | None
    ) = None
    overhead: Annotated[
        Resources, Doc("Amounts of resources that running the pod costs in addition to its containers.")
    ] = {}
    preemptionPolicy: (
        Annotated[
            str,
            OneOf("PreemptLowerPriority", "Never"),
            Doc("Preemption of pods with lower priority: PreemptLowerPriority (default) or Never."),
        ]
        | None
    ) = None
    priority: (
        Annotated[Int32, Doc("Priority of the pod, set from priorityClassName; a higher number is scheduled first.")]
        | None
    ) = None
    priorityClassName: Annotated[
        str, Doc("Name of the PriorityClass that gives the pod's priority; the default class if empty.")
    ] = ""
    readinessGates: Annotated[
        list[PodReadinessGate], Atomic(), Doc("Further conditions that must be True before the pod is ready.")
    ] = []
    resourceClaims: Annotated[
        list[PodResourceClaim],
        ListMap(keys=("name",), patch_key="name", retain_keys=True),
        Doc("Resource claims, such as devices, that the pod's containers may use; ignored by Fairlead's nodes."),
    ] = []
    resources: (
        Annotated[
            ResourceRequirements, Doc("Amounts of resources that all containers together request and may use at most.")
        ]
        | None
    ) = None
    restartPolicy: Annotated[
        str,
        OneOf("Always", "OnFailure", "Never"),
        Doc("Restart of the pod's containers: Always (default), OnFailure or Never."),
    ] = ""
    runtimeClassName: (
        Annotated[
            str,
            Doc(
                "Name of the RuntimeClass that runs the pod; the default runtime if absent. Fairlead's nodes "
                "ignore the field."
            ),
        ]
        | None
    ) = None
    schedulerName: Annotated[
        str, Doc("Name of the scheduler that assigns the pod to a node; default default-scheduler.")
    ] = ""
    schedulingGates: Annotated[
        list[PodSchedulingGate], BY_NAME, Doc("Gates that must be removed before the pod is scheduled.")
    ] = []
    schedulingGroup: (
        Annotated[
            PodSchedulingGroup, Doc("Group of pods that the pod is scheduled with; ignored by Fairlead's scheduler.")
        ]
        | None
    ) = None
    securityContext: (
        Annotated[
            PodSecurityContext, Doc("Identity and privileges of the pod's containers, and ownership of its volumes.")
        ]
        | None
    ) = None
    serviceAccount: Annotated[str, Doc("Deprecated alias of serviceAccountName; has the same value.")] = ""
    serviceAccountName: Annotated[
        str, Format("dns-subdomain"), Doc('Name of the service account whose identity the pod uses; default "default".')
    ] = ""
    setHostnameAsFQDN: (
        Annotated[
            bool, Doc("Set to true to use the fully qualified domain name as the pod's host name; default false.")
        ]
        | None
    ) = None
    shareProcessNamespace: (
        Annotated[
            bool,
            Doc("Set to true to share one process id namespace between the pod's containers; default false."),
        ]
        | None
    ) = None
    subdomain: Annotated[
        str,
        Format("dns-label"),
        Doc("Name of the headless service under which the host name resolves: <hostname>.<subdomain>.<namespace>.svc."),
    ] = ""
    terminationGracePeriodSeconds: (
        Annotated[
            Int64,
            Doc(
                "Seconds between the request to stop and the kill of the pod's processes; default 30, 0 kills at once."
            ),
        ]
        | None
    ) = None
    tolerations: Annotated[list[Toleration], Atomic(), Doc("Taints of nodes that do not keep the pod away.")] = []
    topologySpreadConstraints: Annotated[
        list[TopologySpreadConstraint],
        ListMap(keys=("topologyKey", "whenUnsatisfiable"), patch_key="topologyKey"),
        Doc("Rules for an even distribution of matching pods over topology domains."),
    ] = []
    volumes: Annotated[
        list[Volume],
        ListMap(keys=("name",), patch_key="name", retain_keys=True),
        Doc("Volumes that the pod's containers can mount."),
    ] = []


class PodTemplateSpec(Record):
    """Metadata and specification of the pods that a workload creates."""

    metadata: Annotated[ObjectMeta, Doc("Labels and annotations of the pods that are created from the template.")] = (
        msgspec.field(default_factory=ObjectMeta)
    )
    spec: Annotated[PodSpec, Doc("Desired state of the pods that are created from the template.")] = msgspec.field(
        default_factory=PodSpec
    )
