"""What became of a pod."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.container import ResourceRequirements
from fairlead.api.containerstatus import ContainerStatus
from fairlead.api.meta import BY_NAME, BY_TYPE, Int64, Quantity, Record, Resources, Time
from fairlead.machinery.kind import Atomic, ListMap, SetList


class PodCondition(Record):
    type: str = ""
    status: str = msgspec.field(default_factory=str)
    lastProbeTime: Time | None = None
    lastTransitionTime: Time | None = None
    message: str = ""
    observedGeneration: Int64 = 0
    reason: str = ""


class PodIP(Record):
    ip: str = ""


class HostIP(Record):
    ip: str = ""


class PodResourceClaimStatus(Record):
    name: str = ""
    resourceClaimName: str | None = None


class ContainerExtendedResourceRequest(Record):
    containerName: str = ""
    requestName: str = ""
    resourceName: str = ""


class PodExtendedResourceClaimStatus(Record):
    requestMappings: Annotated[list[ContainerExtendedResourceRequest], Atomic()] = []
    resourceClaimName: str = ""


class NodeAllocatableMappedResources(Record):
    name: str = ""
    quantity: Quantity = msgspec.field(default_factory=lambda: "0")


class NodeAllocatableOverheadResources(Record):
    name: str = ""
    perContainer: Quantity | None = None
    perPod: Quantity | None = None


class NodeAllocatableResourceClaimStatus(Record):
    resourceClaimName: str = ""
    containers: Annotated[list[str], SetList()] = []
    mapping: Annotated[list[NodeAllocatableMappedResources], BY_NAME] = []
    overhead: Annotated[list[NodeAllocatableOverheadResources], BY_NAME] = []


class VolumeHealthCondition(Record):
    reason: str = ""
    status: str = ""
    message: str = ""


class PodVolumeHealth(Record):
    name: str = ""
    healthConditions: Annotated[
        list[VolumeHealthCondition], ListMap(keys=("status", "reason"), patch_key="status")
    ] = []
    lastTransitionTime: Time | None = None


class PodStatus(Record):
    allocatedResources: Resources = {}
    conditions: Annotated[list[PodCondition], BY_TYPE] = []
    containerStatuses: Annotated[list[ContainerStatus], Atomic()] = []
    ephemeralContainerStatuses: Annotated[list[ContainerStatus], Atomic()] = []
    extendedResourceClaimStatus: PodExtendedResourceClaimStatus | None = None
    hostIP: str = ""
    hostIPs: Annotated[list[HostIP], ListMap(patch_key="ip")] = []
    initContainerStatuses: Annotated[list[ContainerStatus], Atomic()] = []
    message: str = ""
    nodeAllocatableResourceClaimStatuses: Annotated[
        list[NodeAllocatableResourceClaimStatus], ListMap(keys=("resourceClaimName",), patch_key="resourceClaimName")
    ] = []
    nominatedNodeName: str = ""
    observedGeneration: Int64 = 0
    phase: str = ""
    podIP: str = ""
    podIPs: Annotated[list[PodIP], ListMap(keys=("ip",), patch_key="ip")] = []
    qosClass: str = ""
    reason: str = ""
    resize: str = ""
    resourceClaimStatuses: Annotated[
        list[PodResourceClaimStatus], ListMap(keys=("name",), patch_key="name", retain_keys=True)
    ] = []
    resources: ResourceRequirements | None = None
    startTime: Time | None = None
    volumeHealth: Annotated[list[PodVolumeHealth], ListMap(keys=("name",))] = []
