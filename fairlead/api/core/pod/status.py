"""What became of a pod."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.core.pod.container import ResourceRequirements
from fairlead.api.core.pod.containerstatus import ContainerStatus
from fairlead.api.meta.types import BY_NAME, BY_TYPE, Int64, Quantity, Record, Resources, Time
from fairlead.machinery.kind import Atomic, Doc, ListMap, SetList


class PodCondition(Record):
    type: Annotated[
        str, Doc("What it is about: PodScheduled, Initialized, ContainersReady, Ready, or a readiness gate.")
    ] = ""
    status: Annotated[str, Doc("True, False or Unknown.")] = msgspec.field(default_factory=str)
    lastProbeTime: Annotated[Time, Doc("When it was last looked at.")] | None = None
    lastTransitionTime: Annotated[Time, Doc("When it last changed.")] | None = None
    message: Annotated[str, Doc("Why, in a sentence.")] = ""
    observedGeneration: Annotated[Int64, Doc("Which generation it is about.")] = 0
    reason: Annotated[str, Doc("Why, in a word.")] = ""


class PodIP(Record):
    ip: Annotated[str, Doc("The address.")] = ""


class HostIP(Record):
    ip: Annotated[str, Doc("The address.")] = ""


class PodResourceClaimStatus(Record):
    name: Annotated[str, Doc("Its name in the pod.")] = ""
    resourceClaimName: Annotated[str, Doc("The claim made for it.")] | None = None


class ContainerExtendedResourceRequest(Record):
    containerName: Annotated[str, Doc("The container.")] = ""
    requestName: Annotated[str, Doc("The request in the claim.")] = ""
    resourceName: Annotated[str, Doc("The resource.")] = ""


class PodExtendedResourceClaimStatus(Record):
    requestMappings: Annotated[
        list[ContainerExtendedResourceRequest], Atomic(), Doc("Which request serves which resource of which container.")
    ] = []
    resourceClaimName: Annotated[str, Doc("The claim made for its extended resources.")] = ""


class NodeAllocatableMappedResources(Record):
    name: Annotated[str, Doc("The resource.")] = ""
    quantity: Annotated[Quantity, Doc("How much.")] = msgspec.field(default_factory=lambda: "0")


class NodeAllocatableOverheadResources(Record):
    name: Annotated[str, Doc("The resource.")] = ""
    perContainer: Annotated[Quantity, Doc("How much for each container that uses the claim.")] | None = None
    perPod: Annotated[Quantity, Doc("How much for the pod, once.")] | None = None


class NodeAllocatableResourceClaimStatus(Record):
    resourceClaimName: Annotated[str, Doc("The claim.")] = ""
    containers: Annotated[list[str], SetList(), Doc("Which containers use it.")] = []
    mapping: Annotated[
        list[NodeAllocatableMappedResources], BY_NAME, Doc("How much of each of the node's resources it takes.")
    ] = []
    overhead: Annotated[list[NodeAllocatableOverheadResources], BY_NAME, Doc("How much it takes besides.")] = []


class VolumeHealthCondition(Record):
    reason: Annotated[str, Doc("Why, in a word.")] = ""
    status: Annotated[str, Doc("Inaccessible, DataLoss or Degraded.")] = ""
    message: Annotated[str, Doc("Why, in a sentence.")] = ""


class PodVolumeHealth(Record):
    name: Annotated[str, Doc("The volume.")] = ""
    healthConditions: Annotated[
        list[VolumeHealthCondition],
        ListMap(keys=("status", "reason"), patch_key="status"),
        Doc("What is wrong with it."),
    ] = []
    lastTransitionTime: Annotated[Time, Doc("When that last changed.")] | None = None


class PodStatus(Record):
    allocatedResources: Annotated[Resources, Doc("What the node has set aside for it.")] = {}
    conditions: Annotated[list[PodCondition], BY_TYPE, Doc("What is worth knowing about it.")] = []
    containerStatuses: Annotated[list[ContainerStatus], Atomic(), Doc("What became of its containers.")] = []
    ephemeralContainerStatuses: Annotated[
        list[ContainerStatus], Atomic(), Doc("What became of its ephemeral containers.")
    ] = []
    extendedResourceClaimStatus: (
        Annotated[PodExtendedResourceClaimStatus, Doc("The claim made for its extended resources.")] | None
    ) = None
    hostIP: Annotated[str, Doc("The address of its node.")] = ""
    hostIPs: Annotated[list[HostIP], ListMap(patch_key="ip"), Doc("The addresses of its node, one a family.")] = []
    initContainerStatuses: Annotated[list[ContainerStatus], Atomic(), Doc("What became of its init containers.")] = []
    message: Annotated[str, Doc("Why it is as it is, in a sentence.")] = ""
    nodeAllocatableResourceClaimStatuses: Annotated[
        list[NodeAllocatableResourceClaimStatus],
        Atomic(),
        Doc("What the node's own resources gave it for its claims."),
    ] = []
    nominatedNodeName: Annotated[str, Doc("The node where room is being made for it.")] = ""
    observedGeneration: Annotated[Int64, Doc("Which generation this is about.")] = 0
    phase: Annotated[str, Doc("Pending, Running, Succeeded, Failed or Unknown.")] = ""
    podIP: Annotated[str, Doc("Its address.")] = ""
    podIPs: Annotated[list[PodIP], ListMap(keys=("ip",), patch_key="ip"), Doc("Its addresses, one a family.")] = []
    qosClass: Annotated[str, Doc("Guaranteed, Burstable or BestEffort, by what it asks for.")] = ""
    reason: Annotated[str, Doc("Why it is as it is, in a word.")] = ""
    resize: Annotated[str, Doc("Where a change of its resources stands.")] = ""
    resourceClaimStatuses: Annotated[
        list[PodResourceClaimStatus],
        ListMap(keys=("name",), patch_key="name", retain_keys=True),
        Doc("What became of its resource claims."),
    ] = []
    resources: Annotated[ResourceRequirements, Doc("What it has of resources.")] | None = None
    startTime: Annotated[Time, Doc("When its node took it on.")] | None = None
    volumeHealth: Annotated[list[PodVolumeHealth], ListMap(keys=("name",)), Doc("How its volumes are.")] = []
