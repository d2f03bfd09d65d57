"""The Node kind: a machine (here: a network namespace with a node agent) that runs pods."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.amounts import canonicalize
from fairlead.api.meta.columns import AGE, NAME, UNKNOWN, or_none
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, Object, Record, Resources, Strings, Time
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, GroupVersionKind, Kind, OneOf, SetList, Subresource
from fairlead.machinery.kinds.subresources import CONNECT
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, forbidden, invalid, required


class ConfigMapNodeConfigSource(Record):
    """Reference to a config map with the node agent's configuration; deprecated."""

    name: Annotated[str, Doc("Name of the config map that holds the settings.")] = ""
    kubeletConfigKey: Annotated[str, Doc("Key of the config map under which the settings are stored.")] = ""
    namespace: Annotated[str, Doc("Namespace of the config map that holds the settings.")] = ""
    resourceVersion: Annotated[
        str, Doc("Resource version of the config map that the node has read; allowed in the status only.")
    ] = ""
    uid: Annotated[str, Doc("UID of the config map that the node has read; allowed in the status only.")] = ""


class NodeConfigSource(Record):
    """Source of the node agent's configuration: a reference to a config map; deprecated."""

    configMap: (
        Annotated[
            ConfigMapNodeConfigSource, Doc("Config map with the node agent's settings; deprecated and without effect.")
        ]
        | None
    ) = None


class NodePodPreemptionPolicy(Record):
    """Limits on the removal of less important pods from a node."""

    disableResizePreemption: Annotated[
        list[str],
        SetList(),
        Doc("Identities that asked to forbid preemption of pods for in-place resizes on the node."),
    ] = []


class Taint(Record):
    """Mark on a node that keeps away the pods that do not tolerate it."""

    key: Annotated[str, Doc("Key of the taint, in the form of a label key.")] = ""
    effect: Annotated[
        str,
        OneOf("NoSchedule", "PreferNoSchedule", "NoExecute"),
        Doc("Effect on pods that do not tolerate the taint: NoSchedule, PreferNoSchedule or NoExecute."),
    ] = ""
    timeAdded: Annotated[Time, Doc("Time at which the taint was added to the node.")] | None = None
    value: Annotated[str, Doc("Value of the taint, which tolerations with operator Equal are compared with.")] = ""


class NodeSpec(Record):
    """Desired state of a node: its pod address ranges, its taints and whether new pods may be placed on it."""

    configSource: (
        Annotated[NodeConfigSource, Doc("Source of the node agent's settings; deprecated and without effect.")] | None
    ) = None
    externalID: Annotated[str, Doc("Identity of the node in an external database; deprecated and without effect.")] = ""
    podCIDR: Annotated[str, Doc("Address range of the node's pods; equals the first entry of `podCIDRs`.")] = ""
    podCIDRs: Annotated[
        list[str], SetList(merge=True), Doc("Address ranges of the node's pods, at most one per IP family.")
    ] = []
    podPreemptionPolicy: (
        Annotated[NodePodPreemptionPolicy, Doc("Limits of the preemption of pods on the node.")] | None
    ) = None
    providerID: Annotated[str, Doc("Identity of the machine at the cloud provider: `<provider>://<id>`.")] = ""
    taints: Annotated[
        list[Taint], Atomic(), Doc("Taints of the node, which keep away pods that do not tolerate them.")
    ] = []
    unschedulable: Annotated[
        bool, Doc("Set to true to keep new pods away from the node (`kubectl cordon`); default false.")
    ] = False


class NodeAddress(Record):
    """Address or host name of a node, with its type."""

    type: Annotated[str, Doc("Type of the address: Hostname, InternalIP, ExternalIP, InternalDNS or ExternalDNS.")] = ""
    address: Annotated[str, Doc("IP address or host name of the node.")] = ""


class NodeCondition(Record):
    """Observation about a node, such as readiness or a shortage of memory."""

    type: Annotated[
        str, Doc("Type of the condition: Ready, MemoryPressure, DiskPressure, PIDPressure or NetworkUnavailable.")
    ] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = msgspec.field(default_factory=str)
    lastHeartbeatTime: (
        Annotated[Time, Doc("Time of the most recent update of the condition by the node agent.")] | None
    ) = None
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""


class NodeConfigStatus(Record):
    """State of the node agent's configuration from a config map; deprecated."""

    active: Annotated[NodeConfigSource, Doc("Source of the settings that the node agent uses.")] | None = None
    assigned: Annotated[NodeConfigSource, Doc("Source of the settings that the node agent should use.")] | None = None
    error: Annotated[str, Doc("Problem with the assigned settings; empty if there is none.")] = ""
    lastKnownGood: (
        Annotated[NodeConfigSource, Doc("Source of the last settings that worked; used if the assigned settings fail.")]
        | None
    ) = None


class DaemonEndpoint(Record):
    """Port on which a daemon of the node accepts connections."""

    Port: Annotated[Int32, Doc("Port number on which the daemon listens.")] = msgspec.field(default_factory=int)


class NodeDaemonEndpoints(Record):
    """Ports on which the daemons of a node accept connections."""

    kubeletEndpoint: Annotated[DaemonEndpoint, Doc("Endpoint on which the node agent listens.")] = msgspec.field(
        default_factory=DaemonEndpoint
    )


class NodeFeatures(Record):
    """Optional features that the node's container runtime implements for all pods."""

    supplementalGroupsPolicy: (
        Annotated[bool, Doc("True if the node's runtime respects the supplementalGroupsPolicy of pods.")] | None
    ) = None


class ContainerImage(Record):
    """Container image that is present on a node."""

    names: Annotated[Strings, Doc("Names by which the image is known, including its digest.")] = []
    sizeBytes: Annotated[Int64, Doc("Size of the image in bytes.")] = 0


class NodeSwapStatus(Record):
    """Amount of swap space on a node."""

    capacity: Annotated[Int64, Doc("Total amount of swap memory in bytes.")] | None = None


class NodeSystemInfo(Record):
    """Identity of a node's machine and the versions of its software."""

    architecture: Annotated[str, Doc("Processor architecture of the node, such as amd64 or arm64.")] = msgspec.field(
        default_factory=str
    )
    bootID: Annotated[str, Doc("UUID of the kernel's present boot (/proc/sys/kernel/random/boot_id).")] = msgspec.field(
        default_factory=str
    )
    containerRuntimeVersion: Annotated[
        str, Doc("Name and version of the container runtime: `<runtime>://<version>`.")
    ] = msgspec.field(default_factory=str)
    kernelVersion: Annotated[str, Doc("Version of the kernel, as `uname -r` prints it.")] = msgspec.field(
        default_factory=str
    )
    kubeProxyVersion: Annotated[str, Doc("Version of the service proxy; deprecated and without effect.")] = (
        msgspec.field(default_factory=str)
    )
    kubeletVersion: Annotated[str, Doc("Version of the node agent that serves the node.")] = msgspec.field(
        default_factory=str
    )
    machineID: Annotated[str, Doc("Identity of the machine from /etc/machine-id, unique in the cluster.")] = (
        msgspec.field(default_factory=str)
    )
    operatingSystem: Annotated[str, Doc("Operating system of the node; always linux.")] = msgspec.field(
        default_factory=str
    )
    osImage: Annotated[str, Doc("Name and version of the node's distribution, from /etc/os-release.")] = msgspec.field(
        default_factory=str
    )
    systemUUID: Annotated[str, Doc("UUID of the machine as its firmware reports the value.")] = msgspec.field(
        default_factory=str
    )
    runningInUserNamespace: (
        Annotated[bool, Doc("True if the node agent runs inside a user namespace, as an ordinary user.")] | None
    ) = None
    swap: Annotated[NodeSwapStatus, Doc("Swap memory that the node has.")] | None = None


class NodeRuntimeHandlerFeatures(Record):
    """Optional features that one runtime handler of a node supports."""

    recursiveReadOnlyMounts: Annotated[bool, Doc("True if the handler supports recursive read-only mounts.")] | None = (
        None
    )
    userNamespaces: Annotated[bool, Doc("True if the handler supports user namespaces for pods.")] | None = None


class NodeRuntimeHandler(Record):
    """Runtime handler of a node, which a runtime class can select for a pod."""

    name: Annotated[str, Doc("Name of the handler, which runtime classes refer to; empty for the default handler.")] = (
        ""
    )
    features: Annotated[NodeRuntimeHandlerFeatures, Doc("Features that the runtime handler supports.")] | None = None


class AttachedVolume(Record):
    """Volume that is attached to a node as a device."""

    name: Annotated[str, Doc("Name of the volume that is attached.")] = ""
    devicePath: Annotated[str, Doc("Path of the volume's block device on the node.")] = msgspec.field(
        default_factory=str
    )


class NodeStatus(Record):
    """Most recently observed state of a node: its addresses, resources, conditions and software."""

    addresses: Annotated[list[NodeAddress], BY_TYPE, Doc("Addresses and names under which the node is reachable.")] = []
    allocatable: Annotated[Resources, Doc("Amounts of the node's resources that pods may request.")] = {}
    capacity: Annotated[Resources, Doc("Total amounts of the node's resources, such as cpu, memory and pods.")] = {}
    conditions: Annotated[list[NodeCondition], BY_TYPE, Doc("Most recent observations of the node's health.")] = []
    config: (
        Annotated[NodeConfigStatus, Doc("State of the node agent's dynamic settings; deprecated and without effect.")]
        | None
    ) = None
    daemonEndpoints: Annotated[NodeDaemonEndpoints, Doc("Ports on which the node's daemons listen.")] = msgspec.field(
        default_factory=NodeDaemonEndpoints
    )
    declaredFeatures: Annotated[Strings, Doc("Names of optional features that the node agent declares, sorted.")] = []
    features: Annotated[NodeFeatures, Doc("Features that the node's container runtime supports.")] | None = None
    images: Annotated[list[ContainerImage], Atomic(), Doc("Container images that are present on the node.")] = []
    nodeInfo: Annotated[NodeSystemInfo, Doc("Versions and identities of the node's hardware and software.")] = (
        msgspec.field(default_factory=NodeSystemInfo)
    )
    phase: Annotated[str, Doc("Phase of the node's life cycle; deprecated and without effect.")] = ""
    runtimeHandlers: Annotated[
        list[NodeRuntimeHandler], Atomic(), Doc("Runtime handlers that are available on the node.")
    ] = []
    volumesAttached: Annotated[list[AttachedVolume], Atomic(), Doc("Volumes that are attached to the node.")] = []
    volumesInUse: Annotated[Strings, Doc("Names of attachable volumes that pods on the node use.")] = []


class Node(Object):
    """Machine, or network namespace in place of a machine, that runs pods."""

    spec: Annotated[NodeSpec, Doc("Desired state of the node: taints, pod address ranges and scheduling.")] = (
        msgspec.field(default_factory=NodeSpec)
    )
    status: Annotated[NodeStatus, Doc("Most recently observed state of the node; written by the system.")] = (
        msgspec.field(default_factory=NodeStatus)
    )


_ROLE_PREFIX = "node-role.kubernetes.io/"


def _default(node: Node) -> Node:
    canonicalize(node.status.capacity)
    canonicalize(node.status.allocatable)
    if node.spec.podCIDR and not node.spec.podCIDRs:
        node.spec.podCIDRs = [node.spec.podCIDR]
    elif node.spec.podCIDRs and not node.spec.podCIDR:
        node.spec.podCIDR = node.spec.podCIDRs[0]
    if not node.status.allocatable:
        node.status.allocatable = dict(node.status.capacity)
    return node


def _status(node: Node, _: Instant) -> str:
    ready = next((c.status for c in node.status.conditions if c.type == "Ready"), "")
    word = "Unknown" if not ready else "Ready" if ready == "True" else "NotReady"
    return word + ",SchedulingDisabled" if node.spec.unschedulable else word


def _roles(node: Node, _: Instant) -> str:
    labels = node.metadata.labels
    roles = {label.removeprefix(_ROLE_PREFIX) for label in labels if label.startswith(_ROLE_PREFIX)}
    roles.add(labels.get("kubernetes.io/role", ""))
    return or_none(",".join(sorted(roles - {""})))


def _rules(node: Node) -> Iterator[FieldError]:
    seen: set[tuple[str, str]] = set()
    for i, taint in enumerate(node.spec.taints):
        path = f"spec.taints[{i}]"
        for text in names.qualified_name(taint.key):
            yield invalid(f"{path}.key", taint.key, text)
        for text in names.label_value(taint.value):
            yield invalid(f"{path}.value", taint.value, text)
        if not taint.effect:
            yield required(f"{path}.effect")
        if (taint.key, taint.effect) in seen:
            yield duplicate(path, msgspec.to_builtins(taint))
        seen.add((taint.key, taint.effect))
    for i, cidr in enumerate(node.spec.podCIDRs):
        for text in names.cidr(cidr):
            yield invalid(f"spec.podCIDRs[{i}]", cidr, text)


def _transition(old: Node, new: Node) -> Iterator[FieldError]:
    if old.spec.podCIDRs and old.spec.podCIDRs != new.spec.podCIDRs:
        yield forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if old.spec.providerID and old.spec.providerID != new.spec.providerID:
        yield forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')


def address_of(node: Node, kind: str) -> str:
    """Returns the node's first address of a type (`InternalIP`, `ExternalIP`, `Hostname`), or an empty text."""
    return next((a.address for a in node.status.addresses if a.type == kind), "")


def _warnings(node: Node) -> Iterator[str]:
    if node.spec.podPreemptionPolicy is not None:
        yield "spec.podPreemptionPolicy is ignored: the scheduler of this cluster never preempts pods"


NODE = Kind(
    type=Node,
    kind="Node",
    plural="nodes",
    storage_path="minions",
    cached="object",
    subresources=(Subresource("proxy", GroupVersionKind("", "v1", "NodeProxyOptions"), CONNECT),),
    keeps_history=False,  # heartbeats are the majority of writes in an idle cluster
    singular="node",
    short_names=("no",),
    namespaced=False,
    status=True,
    warnings=_warnings,
    columns=(
        NAME,
        Column("Status", _status, doc="Ready or NotReady, with SchedulingDisabled if new pods are kept away."),
        Column("Roles", _roles, doc="Roles of the node, from labels node-role.kubernetes.io/*."),
        AGE,
        Column(
            "Version",
            lambda node, _: node.status.nodeInfo.kubeletVersion,
            doc="Version of the node agent that serves the node.",
        ),
        Column(
            "Internal-IP",
            lambda node, _: or_none(address_of(node, "InternalIP")),
            wide=True,
            doc="Address of the node inside the cluster's network.",
        ),
        Column(
            "External-IP",
            lambda node, _: or_none(address_of(node, "ExternalIP")),
            wide=True,
            doc="Address of the node outside the cluster's network.",
        ),
        Column(
            "OS-Image",
            lambda node, _: node.status.nodeInfo.osImage or UNKNOWN,
            wide=True,
            doc="Name and version of the node's distribution.",
        ),
        Column(
            "Kernel-Version",
            lambda node, _: node.status.nodeInfo.kernelVersion or UNKNOWN,
            wide=True,
            doc="Version of the node's kernel, as `uname -r` prints it.",
        ),
        Column(
            "Container-Runtime",
            lambda node, _: node.status.nodeInfo.containerRuntimeVersion or UNKNOWN,
            wide=True,
            doc="Name and version of the node's container runtime.",
        ),
    ),
    default=_default,
    rules=_rules,
    transition=_transition,
    fields={"spec.unschedulable": lambda node: "true" if node.spec.unschedulable else "false"},
)
