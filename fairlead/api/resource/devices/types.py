"""Requests for devices, as claims and their templates contain them."""

from typing import Annotated, Any

import msgspec

from fairlead.api.meta.types import Int64, Record, Resources, Strings, empty_list
from fairlead.machinery.kinds.kind import Atomic, Doc

_FLAG_TEXT = "True for administrative access, beside other claims; the namespace needs a label for that."


class CELDeviceSelector(Record):
    """Choice of devices by an expression in CEL."""

    expression: Annotated[
        str, Doc("Expression in CEL about the variable `device` that is true for matching devices; at most 10 KiB.")
    ] = msgspec.field(default_factory=str)


class DeviceSelector(Record):
    """Choice of devices; exactly one field is set."""

    cel: Annotated[CELDeviceSelector, Doc("Choice of devices by an expression in CEL.")] | None = None


class OpaqueDeviceConfiguration(Record):
    """Parameters for a driver, in a form that the driver defines."""

    driver: Annotated[str, Doc("Name of the driver that understands the parameters; required.")] = msgspec.field(
        default_factory=str
    )
    parameters: Annotated[Any, Doc("Parameters as a JSON object of at most 10 KiB; required.")] = None


class DeviceToleration(Record):
    """Toleration of device taints that match key, value and effect."""

    key: Annotated[str, Doc("Key of the tolerated taints; every key if empty.")] = ""
    operator: Annotated[str, Doc("Relation to the value of the taint: Equal (default), or Exists for any value.")] = ""
    value: Annotated[str, Doc("Value of the tolerated taints; must be empty if `operator` is Exists.")] = ""
    effect: Annotated[str, Doc("Effect of the tolerated taints: NoSchedule or NoExecute; every effect if empty.")] = ""
    tolerationSeconds: (
        Annotated[Int64, Doc("Seconds for which a taint NoExecute is tolerated; without a limit if absent.")] | None
    ) = None


class CapacityRequirements(Record):
    """Amounts of the capacity of a device that a request needs."""

    requests: Annotated[Resources, Doc("Needed amount by the name of the device's capacity.")] = {}


class ExactDeviceRequest(Record):
    """Request for one or more devices that are alike."""

    deviceClassName: Annotated[str, Doc("Name of the DeviceClass that the devices must fit; required.")] = (
        msgspec.field(default_factory=str)
    )
    selectors: Annotated[
        list[DeviceSelector], Atomic(), Doc("Further conditions of the devices; all must be met.")
    ] = []
    allocationMode: Annotated[
        str, Doc("Number of devices: ExactCount (default) for `count`, or All for all matching devices of a pool.")
    ] = ""
    count: Annotated[Int64, Doc("Number of devices if `allocationMode` is ExactCount; default 1.")] = 0
    adminAccess: Annotated[bool, Doc(_FLAG_TEXT)] | None = None
    tolerations: Annotated[
        list[DeviceToleration], Atomic(), Doc("Tolerations of the request for taints of the devices.")
    ] = []
    capacity: (
        Annotated[CapacityRequirements, Doc("Amounts of the capacity that the request needs of each device.")] | None
    ) = None


class DeviceSubRequest(Record):
    """One of several requests of which the first that can be met counts."""

    name: Annotated[str, Doc("Name of the request within the list, a DNS label; required.")] = msgspec.field(
        default_factory=str
    )
    deviceClassName: Annotated[str, Doc("Name of the DeviceClass that the devices must fit; required.")] = (
        msgspec.field(default_factory=str)
    )
    selectors: Annotated[
        list[DeviceSelector], Atomic(), Doc("Further conditions of the devices; all must be met.")
    ] = []
    allocationMode: Annotated[
        str, Doc("Number of devices: ExactCount (default) for `count`, or All for all matching devices of a pool.")
    ] = ""
    count: Annotated[Int64, Doc("Number of devices if `allocationMode` is ExactCount; default 1.")] = 0
    tolerations: Annotated[
        list[DeviceToleration], Atomic(), Doc("Tolerations of the request for taints of the devices.")
    ] = []
    capacity: (
        Annotated[CapacityRequirements, Doc("Amounts of the capacity that the request needs of each device.")] | None
    ) = None


class DeviceRequest(Record):
    """Request of a claim for devices: an exact one, or a list of alternatives."""

    name: Annotated[str, Doc("Name of the request in the claim, a DNS label, for containers that refer to it.")] = (
        msgspec.field(default_factory=str)
    )
    exactly: Annotated[ExactDeviceRequest, Doc("Request that must be met exactly; or set `firstAvailable`.")] | None = (
        None
    )
    firstAvailable: Annotated[
        list[DeviceSubRequest], Atomic(), Doc("Alternatives, at most 8, of which the first that can be met counts.")
    ] = []


class DeviceConstraint(Record):
    """Condition that several devices of a claim must meet together."""

    requests: Annotated[Strings, Doc("Names of the requests that the constraint is about; all if empty.")] = []
    matchAttribute: (
        Annotated[str, Doc("Attribute, as domain/name, that all devices must have with the same value.")] | None
    ) = None
    distinctAttribute: (
        Annotated[str, Doc("Attribute, as domain/name, that all devices must have with different values.")] | None
    ) = None


class DeviceClaimConfiguration(Record):
    """Configuration of the devices of a claim."""

    requests: Annotated[Strings, Doc("Names of the requests that the configuration is for; all if empty.")] = []
    opaque: Annotated[OpaqueDeviceConfiguration, Doc("Parameters for one driver; required.")] | None = None


class DeviceClaim(Record):
    """Devices that a claim asks for."""

    requests: Annotated[
        list[DeviceRequest], Atomic(), Doc("Requests for devices, at most 32, which must all be met.")
    ] = msgspec.field(default_factory=empty_list)
    constraints: Annotated[
        list[DeviceConstraint], Atomic(), Doc("Conditions on the devices together, at most 32, all of them met.")
    ] = []
    config: Annotated[
        list[DeviceClaimConfiguration], Atomic(), Doc("Configurations for drivers, at most 32; not read by schedulers.")
    ] = []


class ResourceClaimSpec(Record):
    """Desired state of a claim: the devices that it asks for."""

    devices: Annotated[DeviceClaim, Doc("Devices that the claim asks for.")] = msgspec.field(
        default_factory=DeviceClaim
    )
