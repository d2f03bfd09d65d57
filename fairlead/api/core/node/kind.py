"""A node: a machine (here: a network namespace with an agent) that runs pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.amounts import settle
from fairlead.api.meta.columns import AGE, NAME, UNKNOWN, or_none
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, Object, Record, Resources, Strings, Time
from fairlead.base.instant import Instant
from fairlead.machinery import names
from fairlead.machinery.kind import Atomic, Column, Doc, GroupVersionKind, Kind, OneOf, SetList, Subresource
from fairlead.machinery.status import FieldError, duplicate, forbidden, invalid, required
from fairlead.machinery.subresources import CONNECT


class ConfigMapNodeConfigSource(Record):
    name: Annotated[str, Doc("The config map's name.")] = ""
    kubeletConfigKey: Annotated[str, Doc("The key in it.")] = ""
    namespace: Annotated[str, Doc("The config map's namespace.")] = ""
    resourceVersion: Annotated[str, Doc("Its version, as the node saw it.")] = ""
    uid: Annotated[str, Doc("Its identity, as the node saw it.")] = ""


class NodeConfigSource(Record):
    configMap: Annotated[ConfigMapNodeConfigSource, Doc("No longer used.")] | None = None


class NodePodPreemptionPolicy(Record):
    disableResizePreemption: Annotated[
        list[str], SetList(), Doc("Who has asked that growing pods push nobody out here.")
    ] = []


class Taint(Record):
    key: Annotated[str, Doc("Its name.")] = ""
    effect: Annotated[
        str, OneOf("NoSchedule", "PreferNoSchedule", "NoExecute"), Doc("NoSchedule, PreferNoSchedule or NoExecute.")
    ] = ""
    timeAdded: Annotated[Time, Doc("Since when.")] | None = None
    value: Annotated[str, Doc("Its value.")] = ""


class NodeSpec(Record):
    configSource: Annotated[NodeConfigSource, Doc("No longer used.")] | None = None
    externalID: Annotated[str, Doc("No longer used.")] = ""
    podCIDR: Annotated[str, Doc("The range its pods' addresses come from.")] = ""
    podCIDRs: Annotated[list[str], SetList(merge=True), Doc("The same, one a family.")] = []
    podPreemptionPolicy: Annotated[NodePodPreemptionPolicy, Doc("When its pods may push others out.")] | None = None
    providerID: Annotated[str, Doc("What the machine is called by its provider.")] = ""
    taints: Annotated[list[Taint], Atomic(), Doc("Why pods may not come here.")] = []
    unschedulable: Annotated[bool, Doc("Whether no new pods come.")] = False


class NodeAddress(Record):
    type: Annotated[str, Doc("Hostname, InternalIP, ExternalIP, InternalDNS or ExternalDNS.")] = ""
    address: Annotated[str, Doc("The address.")] = ""


class NodeCondition(Record):
    type: Annotated[str, Doc("Ready, MemoryPressure, DiskPressure, PIDPressure or NetworkUnavailable.")] = ""
    status: Annotated[str, Doc("True, False or Unknown.")] = msgspec.field(default_factory=str)
    lastHeartbeatTime: Annotated[Time, Doc("When it was last told.")] | None = None
    lastTransitionTime: Annotated[Time, Doc("When it last changed.")] | None = None
    message: Annotated[str, Doc("Why, in a sentence.")] = ""
    reason: Annotated[str, Doc("Why, in a word.")] = ""


class NodeConfigStatus(Record):
    active: Annotated[NodeConfigSource, Doc("The settings in use.")] | None = None
    assigned: Annotated[NodeConfigSource, Doc("The settings it was given.")] | None = None
    error: Annotated[str, Doc("What is wrong with them.")] = ""
    lastKnownGood: Annotated[NodeConfigSource, Doc("The last that worked.")] | None = None


class DaemonEndpoint(Record):
    Port: Annotated[Int32, Doc("The port.")] = msgspec.field(default_factory=int)


class NodeDaemonEndpoints(Record):
    kubeletEndpoint: Annotated[DaemonEndpoint, Doc("The agent's.")] = msgspec.field(default_factory=DaemonEndpoint)


class NodeFeatures(Record):
    supplementalGroupsPolicy: Annotated[bool, Doc("Whether pods' supplementalGroupsPolicy is followed.")] | None = None


class ContainerImage(Record):
    names: Annotated[Strings, Doc("What it is called.")] = []
    sizeBytes: Annotated[Int64, Doc("How big it is.")] = 0


class NodeSwapStatus(Record):
    capacity: Annotated[Int64, Doc("How much, in bytes.")] | None = None


class NodeSystemInfo(Record):
    architecture: Annotated[str, Doc("The processor's sort.")] = msgspec.field(default_factory=str)
    bootID: Annotated[str, Doc("Which boot this is.")] = msgspec.field(default_factory=str)
    containerRuntimeVersion: Annotated[str, Doc("What runs its containers.")] = msgspec.field(default_factory=str)
    kernelVersion: Annotated[str, Doc("Its kernel.")] = msgspec.field(default_factory=str)
    kubeProxyVersion: Annotated[str, Doc("No longer used.")] = msgspec.field(default_factory=str)
    kubeletVersion: Annotated[str, Doc("Its agent.")] = msgspec.field(default_factory=str)
    machineID: Annotated[str, Doc("Which machine it is.")] = msgspec.field(default_factory=str)
    operatingSystem: Annotated[str, Doc("linux.")] = msgspec.field(default_factory=str)
    osImage: Annotated[str, Doc("Its distribution.")] = msgspec.field(default_factory=str)
    systemUUID: Annotated[str, Doc("Which machine it is, by its firmware.")] = msgspec.field(default_factory=str)
    runningInUserNamespace: Annotated[bool, Doc("Whether its agent runs in a user namespace.")] | None = None
    swap: Annotated[NodeSwapStatus, Doc("What it has of swap.")] | None = None


class NodeRuntimeHandlerFeatures(Record):
    recursiveReadOnlyMounts: Annotated[bool, Doc("Whether mounts can be read-only to the bottom.")] | None = None
    userNamespaces: Annotated[bool, Doc("Whether pods can have users of their own.")] | None = None


class NodeRuntimeHandler(Record):
    name: Annotated[str, Doc("What runtime classes call it; the default one has no name.")] = ""
    features: Annotated[NodeRuntimeHandlerFeatures, Doc("What it can do.")] | None = None


class AttachedVolume(Record):
    name: Annotated[str, Doc("The volume.")] = ""
    devicePath: Annotated[str, Doc("Where the device is.")] = msgspec.field(default_factory=str)


class NodeStatus(Record):
    addresses: Annotated[list[NodeAddress], BY_TYPE, Doc("Where it can be reached.")] = []
    allocatable: Annotated[Resources, Doc("What pods may use of it.")] = {}
    capacity: Annotated[Resources, Doc("What it has.")] = {}
    conditions: Annotated[list[NodeCondition], BY_TYPE, Doc("How it is.")] = []
    config: Annotated[NodeConfigStatus, Doc("No longer used.")] | None = None
    daemonEndpoints: Annotated[NodeDaemonEndpoints, Doc("Where its agent listens.")] = msgspec.field(
        default_factory=NodeDaemonEndpoints
    )
    declaredFeatures: Annotated[Strings, Doc("Features that its agent says it has.")] = []
    features: Annotated[NodeFeatures, Doc("What it can do.")] | None = None
    images: Annotated[list[ContainerImage], Atomic(), Doc("Which images it has.")] = []
    nodeInfo: Annotated[NodeSystemInfo, Doc("What it runs.")] = msgspec.field(default_factory=NodeSystemInfo)
    phase: Annotated[str, Doc("No longer used.")] = ""
    runtimeHandlers: Annotated[list[NodeRuntimeHandler], Atomic(), Doc("How it can run pods.")] = []
    volumesAttached: Annotated[list[AttachedVolume], Atomic(), Doc("Volumes attached to it.")] = []
    volumesInUse: Annotated[Strings, Doc("Volumes it uses.")] = []


class Node(Object):
    """A machine that runs pods."""

    spec: Annotated[NodeSpec, Doc("What it is to be.")] = msgspec.field(default_factory=NodeSpec)
    status: Annotated[NodeStatus, Doc("What state it is in.")] = msgspec.field(default_factory=NodeStatus)


_ROLE_PREFIX = "node-role.kubernetes.io/"


def _default(node: Node) -> Node:
    settle(node.status.capacity)
    settle(node.status.allocatable)
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
    found = {label.removeprefix(_ROLE_PREFIX) for label in labels if label.startswith(_ROLE_PREFIX)}
    found.add(labels.get("kubernetes.io/role", ""))
    return or_none(",".join(sorted(found - {""})))


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
    """The node's first address of a type (`InternalIP`, `ExternalIP`, `Hostname`); empty where it has none."""
    return next((a.address for a in node.status.addresses if a.type == kind), "")


def _warnings(node: Node) -> Iterator[str]:
    if node.spec.podPreemptionPolicy is not None:
        yield "spec.podPreemptionPolicy has no effect in this cluster: no pod pushes others out"


NODE = Kind(
    type=Node,
    kind="Node",
    plural="nodes",
    storage_path="minions",
    cached="object",
    subresources=(Subresource("proxy", GroupVersionKind("", "v1", "NodeProxyOptions"), CONNECT),),
    keeps_history=False,  # heartbeats are most writes of an idle cluster
    singular="node",
    short_names=("no",),
    namespaced=False,
    status=True,
    warnings=_warnings,
    columns=(
        NAME,
        Column("Status", _status, doc="Whether it takes pods."),
        Column("Roles", _roles, doc="Its roles, by its labels."),
        AGE,
        Column("Version", lambda node, _: node.status.nodeInfo.kubeletVersion, doc="Of its agent."),
        Column("Internal-IP", lambda node, _: or_none(address_of(node, "InternalIP")), wide=True),
        Column("External-IP", lambda node, _: or_none(address_of(node, "ExternalIP")), wide=True),
        Column("OS-Image", lambda node, _: node.status.nodeInfo.osImage or UNKNOWN, wide=True),
        Column("Kernel-Version", lambda node, _: node.status.nodeInfo.kernelVersion or UNKNOWN, wide=True),
        Column("Container-Runtime", lambda node, _: node.status.nodeInfo.containerRuntimeVersion or UNKNOWN, wide=True),
    ),
    default=_default,
    rules=_rules,
    transition=_transition,
    fields={"spec.unschedulable": lambda node: "true" if node.spec.unschedulable else "false"},
)
