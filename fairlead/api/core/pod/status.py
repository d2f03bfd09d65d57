"""Status of a pod."""

from typing import Annotated

import msgspec

from fairlead.api.core.pod.containers.container import ResourceRequirements
from fairlead.api.core.pod.containers.containerstatus import ContainerStatus
from fairlead.api.meta.types import BY_NAME, BY_TYPE, Int64, Quantity, Record, Resources, Time
from fairlead.machinery.kinds.kind import Atomic, Doc, ListMap, SetList


class PodCondition(Record):
    """Observation about a pod, such as whether it is scheduled or ready."""

    type: Annotated[
        str, Doc("Type of the condition: PodScheduled, Initialized, ContainersReady, Ready, or a readiness gate.")
    ] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = msgspec.field(default_factory=str)
    lastProbeTime: Annotated[Time, Doc("Time at which the condition was last probed; may be absent.")] | None = None
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    observedGeneration: Annotated[
        Int64, Doc("Value of the pod's metadata.generation that the condition was set for.")
    ] = 0
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""


class PodIP(Record):
    """One of the IP addresses of a pod."""

    ip: Annotated[str, Doc("IP address that is assigned to the pod.")] = ""


class HostIP(Record):
    """One of the IP addresses of the pod's node."""

    ip: Annotated[str, Doc("IP address that is assigned to the pod's node.")] = ""


class PodResourceClaimStatus(Record):
    """Resource claim object that was chosen or created for an entry of the pod's claims."""

    name: Annotated[str, Doc("Name of the claim in the pod's resourceClaims.")] = ""
    resourceClaimName: (
        Annotated[str, Doc("Name of the ResourceClaim that was created for the pod; absent if none was needed.")] | None
    ) = None


class ContainerExtendedResourceRequest(Record):
    """Extended resource of a container, and the request of the resource claim that provides it."""

    containerName: Annotated[str, Doc("Name of the container that requests the resource.")] = ""
    requestName: Annotated[str, Doc("Name of the request in the claim.")] = ""
    resourceName: Annotated[str, Doc("Name of the extended resource.")] = ""


class PodExtendedResourceClaimStatus(Record):
    """Resource claim that was created for the extended resources of a pod."""

    requestMappings: Annotated[
        list[ContainerExtendedResourceRequest],
        Atomic(),
        Doc("Requests of the claim by container and extended resource."),
    ] = []
    resourceClaimName: Annotated[
        str, Doc("Name of the ResourceClaim that was created for the pod's extended resources.")
    ] = ""


class NodeAllocatableMappedResources(Record):
    """Amount of one node resource that a resource claim takes."""

    name: Annotated[str, Doc("Name of the node's resource, such as cpu.")] = ""
    quantity: Annotated[Quantity, Doc("Amount of the node's resource that the claim takes.")] = msgspec.field(
        default_factory=lambda: "0"
    )


class NodeAllocatableOverheadResources(Record):
    """Additional amount of one node resource that the use of a resource claim costs."""

    name: Annotated[str, Doc("Name of the node's resource, such as cpu.")] = ""
    perContainer: Annotated[Quantity, Doc("Amount of the resource for each container that uses the claim.")] | None = (
        None
    )
    perPod: Annotated[Quantity, Doc("Amount of the resource for the pod, counted once.")] | None = None


class NodeAllocatableResourceClaimStatus(Record):
    """Amounts of the node's resources that a pod uses through one resource claim."""

    resourceClaimName: Annotated[str, Doc("Name of the ResourceClaim that takes resources of the node.")] = ""
    containers: Annotated[list[str], SetList(), Doc("Names of the containers that use the claim.")] = []
    mapping: Annotated[
        list[NodeAllocatableMappedResources], BY_NAME, Doc("Amounts of the node's resources that the claim takes.")
    ] = []
    overhead: Annotated[
        list[NodeAllocatableOverheadResources],
        BY_NAME,
        Doc("Amounts of the node's resources that using the claim costs in addition."),
    ] = []


class VolumeHealthCondition(Record):
    """Observation about the health of a volume, with its reason and a message."""

    reason: Annotated[str, Doc("Reason of the volume's condition as one CamelCase word, for programs.")] = ""
    status: Annotated[str, Doc("Condition of the volume: Inaccessible, DataLoss or Degraded.")] = ""
    message: Annotated[str, Doc("Human-readable details about the condition of the volume.")] = ""


class PodVolumeHealth(Record):
    """Health of one of the pod's volumes, as a list of conditions."""

    name: Annotated[str, Doc("Name of the volume, as in the pod's spec.")] = ""
    healthConditions: Annotated[
        list[VolumeHealthCondition],
        ListMap(keys=("status", "reason"), patch_key="status"),
        Doc("Problems of the volume; empty if the volume is healthy."),
    ] = []
    lastTransitionTime: Annotated[Time, Doc("Time at which the health of the volume last changed.")] | None = None


class PodStatus(Record):
    """Most recently observed state of a pod: its phase, addresses, conditions and containers."""

    allocatedResources: Annotated[Resources, Doc("Amounts of resources that the node has reserved for the pod.")] = {}
    conditions: Annotated[
        list[PodCondition], BY_TYPE, Doc("Most recent observations of the pod, such as PodScheduled and Ready.")
    ] = []
    containerStatuses: Annotated[list[ContainerStatus], Atomic(), Doc("Status of each container of the pod.")] = []
    ephemeralContainerStatuses: Annotated[
        list[ContainerStatus], Atomic(), Doc("Status of each ephemeral container of the pod.")
    ] = []
    extendedResourceClaimStatus: (
        Annotated[PodExtendedResourceClaimStatus, Doc("Claim that was created for the pod's extended resources.")]
        | None
    ) = None
    hostIP: Annotated[str, Doc("IP address of the pod's node; empty until the pod is scheduled.")] = ""
    hostIPs: Annotated[
        list[HostIP],
        ListMap(patch_key="ip"),
        Doc("IP addresses of the pod's node, one per IP family; the first equals `hostIP`."),
    ] = []
    initContainerStatuses: Annotated[
        list[ContainerStatus], Atomic(), Doc("Status of each init container of the pod, in order.")
    ] = []
    message: Annotated[str, Doc("Human-readable details about the pod's state.")] = ""
    nodeAllocatableResourceClaimStatuses: Annotated[
        list[NodeAllocatableResourceClaimStatus],
        Atomic(),
        Doc("Amounts of the node's own resources that the pod's claims take."),
    ] = []
    nominatedNodeName: Annotated[
        str,
        Doc(
            "Name of the node on which pods are being preempted in favour of the pod; not set by Fairlead's scheduler."
        ),
    ] = ""
    observedGeneration: Annotated[
        Int64, Doc("Value of the pod's metadata.generation that the node agent last acted on.")
    ] = 0
    phase: Annotated[str, Doc("Phase of the pod's life cycle: Pending, Running, Succeeded, Failed or Unknown.")] = ""
    podIP: Annotated[str, Doc("IP address of the pod, reachable in the whole cluster; empty until it is assigned.")] = (
        ""
    )
    podIPs: Annotated[
        list[PodIP],
        ListMap(keys=("ip",), patch_key="ip"),
        Doc("IP addresses of the pod, one per IP family; the first equals `podIP`."),
    ] = []
    qosClass: Annotated[
        str, Doc("Quality of service class, derived from requests and limits: Guaranteed, Burstable or BestEffort.")
    ] = ""
    reason: Annotated[str, Doc("Reason of the pod's state as one CamelCase word, such as Evicted.")] = ""
    resize: Annotated[
        str,
        Doc(
            "State of an in-place resize: Proposed, InProgress, Deferred or Infeasible; deprecated in favour "
            "of conditions."
        ),
    ] = ""
    resourceClaimStatuses: Annotated[
        list[PodResourceClaimStatus],
        ListMap(keys=("name",), patch_key="name", retain_keys=True),
        Doc("Names of the claims that were created for the pod's resourceClaims."),
    ] = []
    resources: (
        Annotated[ResourceRequirements, Doc("Requests and limits that are applied to the pod as a whole.")] | None
    ) = None
    startTime: (
        Annotated[Time, Doc("Time at which the node agent accepted the pod, before its images were pulled.")] | None
    ) = None
    volumeHealth: Annotated[list[PodVolumeHealth], ListMap(keys=("name",)), Doc("Health of the pod's volumes.")] = []
