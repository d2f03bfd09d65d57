"""The types of ResourceClaim: what was allocated for a claim, and for whom."""

from typing import Annotated, Any

import msgspec

from fairlead.api.core.pod.placement.affinity import NodeSelector
from fairlead.api.meta.types import Condition, Object, Record, Resources, Strings, Time, empty_list
from fairlead.api.resource.devices.types import DeviceToleration, OpaqueDeviceConfiguration, ResourceClaimSpec
from fairlead.machinery.kinds.kind import Atomic, Doc, ListMap


class ResourceClaimConsumerReference(Record):
    """Reference to an object in the claim's namespace that may use the claim."""

    apiGroup: Annotated[str, Doc("API group of the object; empty for the core group.")] = ""
    resource: Annotated[str, Doc("Resource of the object, such as pods; required.")] = msgspec.field(
        default_factory=str
    )
    name: Annotated[str, Doc("Name of the object in the namespace of the claim; required.")] = msgspec.field(
        default_factory=str
    )
    uid: Annotated[str, Doc("UID of the object, which tells objects of one name apart; required.")] = msgspec.field(
        default_factory=str
    )


class DeviceRequestAllocationResult(Record):
    """Device that was allocated for a request."""

    request: Annotated[str, Doc("Name of the request, or request/alternative; required.")] = msgspec.field(
        default_factory=str
    )
    driver: Annotated[str, Doc("Name of the driver of the device; required.")] = msgspec.field(default_factory=str)
    pool: Annotated[str, Doc("Name of the pool that the device belongs to; required.")] = msgspec.field(
        default_factory=str
    )
    device: Annotated[str, Doc("Name of the device in the pool, a DNS label; required.")] = msgspec.field(
        default_factory=str
    )
    adminAccess: Annotated[bool, Doc("True if the device was allocated for administrative access.")] | None = None
    tolerations: Annotated[
        list[DeviceToleration], Atomic(), Doc("Tolerations of the request at the time of the allocation.")
    ] = []
    bindingConditions: Annotated[
        Strings, Doc("Conditions of the device that must be True before the pod is bound, at most 4.")
    ] = []
    bindingFailureConditions: Annotated[
        Strings, Doc("Conditions of the device of which a True one fails the binding, at most 4.")
    ] = []
    shareID: Annotated[str, Doc("UUID of this share of a device that is allocated several times.")] | None = None
    consumedCapacity: Annotated[Resources, Doc("Amount that the allocation takes of each capacity of the device.")] = {}


class DeviceAllocationConfiguration(Record):
    """Configuration of an allocated device, and its origin."""

    source: Annotated[str, Doc("Origin of the configuration: FromClass or FromClaim; required.")] = msgspec.field(
        default_factory=str
    )
    requests: Annotated[Strings, Doc("Names of the requests that the configuration is for; all if empty.")] = []
    opaque: Annotated[OpaqueDeviceConfiguration, Doc("Parameters for one driver; required.")] | None = None


class DeviceAllocationResult(Record):
    """Devices that were allocated for a claim, with their configuration."""

    results: Annotated[
        list[DeviceRequestAllocationResult], Atomic(), Doc("Devices that were allocated, at most 32.")
    ] = []
    config: Annotated[
        list[DeviceAllocationConfiguration], Atomic(), Doc("Configurations from classes and claim, at most 64.")
    ] = []


class AllocationResult(Record):
    """Result of the allocation of a claim."""

    devices: Annotated[DeviceAllocationResult, Doc("Devices that were allocated for the claim.")] = msgspec.field(
        default_factory=DeviceAllocationResult
    )
    nodeSelector: (
        Annotated[NodeSelector, Doc("Nodes on which the devices can be used; all nodes if absent.")] | None
    ) = None
    allocationTimestamp: Annotated[Time, Doc("Time of the allocation; unknown if absent.")] | None = None


class NetworkDeviceData(Record):
    """Facts about a network device."""

    interfaceName: Annotated[str, Doc("Name of the network interface, at most 256 bytes.")] = ""
    ips: Annotated[Strings, Doc("Addresses of the interface with their prefix lengths, at most 16.")] = []
    hardwareAddress: Annotated[str, Doc("Hardware address of the interface, at most 128 bytes.")] = ""


class AllocatedDeviceStatus(Record):
    """State of an allocated device, as its driver reports it."""

    driver: Annotated[str, Doc("Name of the driver of the device; required.")] = msgspec.field(default_factory=str)
    pool: Annotated[str, Doc("Name of the pool that the device belongs to; required.")] = msgspec.field(
        default_factory=str
    )
    device: Annotated[str, Doc("Name of the device in the pool, a DNS label; required.")] = msgspec.field(
        default_factory=str
    )
    shareID: Annotated[str, Doc("UUID of the share of a device that is allocated several times.")] | None = None
    conditions: Annotated[
        list[Condition], ListMap(keys=("type",)), Doc("Most recent observations of the device, at most 8.")
    ] = msgspec.field(default_factory=empty_list)
    data: Annotated[Any, Doc("Facts of the driver's own as a JSON object of at most 10 KiB.")] = None
    networkData: Annotated[NetworkDeviceData, Doc("Facts about the device if it is a network device.")] | None = None


class ResourceClaimStatus(Record):
    """Most recently observed state of a claim."""

    allocation: Annotated[AllocationResult, Doc("Result of the allocation; absent before it.")] | None = None
    reservedFor: Annotated[
        list[ResourceClaimConsumerReference],
        ListMap(keys=("uid",), patch_key="uid"),
        Doc("Objects that may use the claim, at most 256."),
    ] = []
    devices: Annotated[
        list[AllocatedDeviceStatus],
        ListMap(keys=("driver", "device", "pool", "shareID")),
        Doc("States of the allocated devices, as their drivers report them."),
    ] = []


class ResourceClaim(Object):
    """Request for devices. Fairlead stores the claim; the allocation is the work of other schedulers and drivers."""

    spec: Annotated[ResourceClaimSpec, Doc("Devices that the claim asks for; immutable.")] = msgspec.field(
        default_factory=ResourceClaimSpec
    )
    status: Annotated[ResourceClaimStatus, Doc("Most recently observed state of the claim; written by the system.")] = (
        msgspec.field(default_factory=ResourceClaimStatus)
    )
