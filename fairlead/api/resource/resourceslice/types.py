"""The types of ResourceSlice: the devices of a pool, as a driver publishes them."""

from typing import Annotated

import msgspec

from fairlead.api.core.pod.placement.affinity import NodeSelector
from fairlead.api.meta.types import Int64, Object, Quantity, Record, Strings, Time
from fairlead.machinery.kinds.kind import Atomic, Doc

Flag = bool
Text = str
"""Names of types for fields that are called `bool` and `string`."""
_ALPHA = "Reserved for a feature that is off by default (DRAListTypeAttributes); removed from every write."


class DeviceAttribute(Record):
    """Attribute of a device: a value of one type."""

    int: Annotated[Int64, Doc("Value of the attribute as a number.")] | None = None
    bool: Annotated[Flag, Doc("Value of the attribute as true or false.")] | None = None
    string: Annotated[Text, Doc("Value of the attribute as a text of at most 64 bytes.")] | None = None
    version: Annotated[Text, Doc("Value of the attribute as a semantic version of at most 64 bytes.")] | None = None
    ints: Annotated[list[Int64], Atomic(), Doc(_ALPHA)] | None = None
    bools: Annotated[list[Flag], Atomic(), Doc(_ALPHA)] | None = None
    strings: Annotated[list[Text], Atomic(), Doc(_ALPHA)] | None = None
    versions: Annotated[list[Text], Atomic(), Doc(_ALPHA)] | None = None


class CapacityRequestPolicyRange(Record):
    """Range of amounts that a request may take of a capacity."""

    min: Annotated[Quantity, Doc("Least amount, to which smaller requests are rounded up; required.")] | None = None
    max: Annotated[Quantity, Doc("Greatest amount that a request may take; the whole capacity if absent.")] | None = (
        None
    )
    step: Annotated[Quantity, Doc("Distance of allowed amounts, to which requests are rounded up.")] | None = None


class CapacityRequestPolicy(Record):
    """Amounts that requests take of a capacity of a device that is allocated several times."""

    default: Annotated[Quantity, Doc("Amount that a request takes if it names none.")] | None = None
    validValues: Annotated[
        list[Quantity], Atomic(), Doc("Allowed amounts in ascending order, at most 10; `default` is one of them.")
    ] = []
    validRange: (
        Annotated[CapacityRequestPolicyRange, Doc("Range of allowed amounts; excludes `validValues`.")] | None
    ) = None


class DeviceCapacity(Record):
    """Amount of a capacity that a device has."""

    value: Annotated[Quantity, Doc("Amount of the capacity that the device has; required.")] = msgspec.field(
        default_factory=lambda: "0"
    )
    requestPolicy: (
        Annotated[CapacityRequestPolicy, Doc("Amounts that requests take; only if `allowMultipleAllocations` is true.")]
        | None
    ) = None


class Counter(Record):
    """Amount that devices of a pool share."""

    value: Annotated[Quantity, Doc("Amount of the counter that there is, or that a device takes; required.")] = (
        msgspec.field(default_factory=lambda: "0")
    )


class CounterSet(Record):
    """Named counters that devices of a pool share."""

    name: Annotated[str, Doc("Name of the set, a DNS label, unique in the pool; required.")] = msgspec.field(
        default_factory=str
    )
    counters: Annotated[dict[str, Counter], Doc("Counters of the set by name, at least one and at most 32.")] = {}


class DeviceCounterConsumption(Record):
    """Amounts that a device takes of the counters of a set."""

    counterSet: Annotated[str, Doc("Name of the set that the counters belong to; required.")] = msgspec.field(
        default_factory=str
    )
    counters: Annotated[dict[str, Counter], Doc("Amounts that the device takes by name, at least one.")] = {}


class DeviceTaint(Record):
    """Taint of a device, which keeps off claims that do not tolerate it."""

    key: Annotated[str, Doc("Key of the taint, a name as of a label; required.")] = msgspec.field(default_factory=str)
    value: Annotated[str, Doc("Value that belongs to the key, as the value of a label.")] = ""
    effect: Annotated[str, Doc("Effect on claims without a toleration: None, NoSchedule or NoExecute; required.")] = (
        msgspec.field(default_factory=str)
    )
    timeAdded: Annotated[Time, Doc("Time at which the taint was added; the server's time if absent.")] | None = None


class NodeAllocatableResourceMapping(Record):
    """Amount of a node's resource that an allocation of a device takes."""

    capacityKey: Annotated[str, Doc("Name of the capacity from which the amount follows.")] | None = None
    allocationMultiplier: Annotated[Quantity, Doc("Factor of the capacity, or amount for each device.")] | None = None


class Device(Record):
    """Device of a pool, with what claims can select it by."""

    name: Annotated[str, Doc("Name of the device, a DNS label, unique in the pool; required.")] = msgspec.field(
        default_factory=str
    )
    attributes: Annotated[dict[str, DeviceAttribute], Doc("Attributes of the device by name, such as its model.")] = {}
    capacity: Annotated[dict[str, DeviceCapacity], Doc("Capacities of the device by name, such as its memory.")] = {}
    consumesCounters: Annotated[
        list[DeviceCounterConsumption], Atomic(), Doc("Amounts of shared counters that the device takes, at most 2.")
    ] = []
    nodeName: Annotated[str, Doc("Name of the node with the device; only with perDeviceNodeSelection.")] | None = None
    nodeSelector: (
        Annotated[NodeSelector, Doc("Nodes that can use the device; only with perDeviceNodeSelection.")] | None
    ) = None
    allNodes: (
        Annotated[bool, Doc("True if every node can use the device; only with perDeviceNodeSelection.")] | None
    ) = None
    taints: Annotated[list[DeviceTaint], Atomic(), Doc("Taints of the device that its driver sets, at most 16.")] = []
    bindsToNode: (
        Annotated[bool, Doc("True if an allocation of the device is bound to the node that was chosen.")] | None
    ) = None
    bindingConditions: Annotated[
        Strings, Doc("Conditions of the device that must be True before the pod is bound, at most 4.")
    ] = []
    bindingFailureConditions: Annotated[
        Strings, Doc("Conditions of the device of which a True one fails the binding, at most 4.")
    ] = []
    allowMultipleAllocations: (
        Annotated[bool, Doc("True if the device can be allocated several times, in parts of its capacity.")] | None
    ) = None
    nodeAllocatableResourceMappings: Annotated[
        dict[str, NodeAllocatableResourceMapping],
        Doc("Reserved for a feature that is off by default (DRANodeAllocatableResources); removed from every write."),
    ] = {}


class ResourcePool(Record):
    """Pool of devices that a slice belongs to."""

    name: Annotated[str, Doc("Name of the pool, often that of its node; required and immutable.")] = msgspec.field(
        default_factory=str
    )
    generation: Annotated[Int64, Doc("Version of the pool; all slices of a version form the pool.")] = msgspec.field(
        default_factory=int
    )
    resourceSliceCount: Annotated[Int64, Doc("Number of slices of the pool in the version, at least 1.")] = (
        msgspec.field(default_factory=int)
    )


class ResourceSliceSpec(Record):
    """Devices of a driver and the nodes that can use them."""

    driver: Annotated[str, Doc("Name of the driver of the devices; required and immutable.")] = msgspec.field(
        default_factory=str
    )
    pool: Annotated[ResourcePool, Doc("Pool that the slice belongs to; required.")] = msgspec.field(
        default_factory=ResourcePool
    )
    nodeName: (
        Annotated[str, Doc("Name of the node that has the devices; immutable. Exactly one of four fields is set.")]
        | None
    ) = None
    nodeSelector: Annotated[NodeSelector, Doc("Nodes that can use the devices, as exactly one term.")] | None = None
    allNodes: Annotated[bool, Doc("True if every node can use the devices; true is the only value.")] | None = None
    devices: Annotated[
        list[Device], Atomic(), Doc("Devices of the slice, at most 128, or 64 with taints or counters.")
    ] = []
    perDeviceNodeSelection: (
        Annotated[bool, Doc("True if each device names its nodes; true is the only value.")] | None
    ) = None
    sharedCounters: Annotated[
        list[CounterSet], Atomic(), Doc("Counters that devices of the pool share, at most 8 sets; excludes `devices`.")
    ] = []


class ResourceSlice(Object):
    """Part of the devices of a pool, as their driver publishes them. Fairlead stores the slice for other programs."""

    spec: Annotated[ResourceSliceSpec, Doc("Devices of the slice and the nodes that can use them.")] = msgspec.field(
        default_factory=ResourceSliceSpec
    )
