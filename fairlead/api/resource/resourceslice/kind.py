"""The ResourceSlice kind: devices that drivers publish; stored for schedulers that allocate devices."""

from __future__ import annotations

from fairlead.api.core.amounts import canonical_text
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.resource.resourceslice.rules import slice_changes, slice_errors, slice_warnings
from fairlead.api.resource.resourceslice.types import Device, DeviceCapacity, ResourceSlice
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.kinds.kind import Column, Strategy


def _default(found: ResourceSlice) -> ResourceSlice:
    for device in found.spec.devices:
        for capacity in device.capacity.values():
            _canonicalize(capacity)
        for consumption in device.consumesCounters:
            for counter in consumption.counters.values():
                counter.value = canonical_text(counter.value)
    for shared in found.spec.sharedCounters:
        for counter in shared.counters.values():
            counter.value = canonical_text(counter.value)
    return found


def _canonicalize(capacity: DeviceCapacity) -> None:
    capacity.value = canonical_text(capacity.value)
    if (policy := capacity.requestPolicy) is None:
        return
    policy.default = canonical_text(policy.default) if policy.default is not None else None
    policy.validValues = [canonical_text(one) for one in policy.validValues]
    if (valid := policy.validRange) is not None:
        for name in ("min", "max", "step"):
            if (amount := getattr(valid, name)) is not None:
                setattr(valid, name, canonical_text(amount))


def _set_times(found: ResourceSlice, now: Instant) -> None:
    for device in found.spec.devices:
        for taint in device.taints:
            taint.timeAdded = taint.timeAdded or render_time(now)


def _without_disabled(found: ResourceSlice) -> ResourceSlice:
    """Removes fields of features that are off by default, as upstream does."""
    for device in found.spec.devices:
        _remove_disabled(device)
    return found


def _remove_disabled(device: Device) -> None:
    device.nodeAllocatableResourceMappings = {}
    for attribute in device.attributes.values():
        attribute.ints = attribute.bools = attribute.strings = attribute.versions = None


STRATEGY: Strategy[ResourceSlice] = Strategy(
    type=ResourceSlice,
    columns=(
        NAME,
        Column("Node", lambda found, _: found.spec.nodeName or "", doc="Name of the node that has the devices."),
        Column("Driver", lambda found, _: found.spec.driver, doc="Name of the driver of the devices."),
        Column("Pool", lambda found, _: found.spec.pool.name, doc="Name of the pool that the slice belongs to."),
        AGE,
    ),
    fields={
        "spec.nodeName": lambda found: found.spec.nodeName or "",
        "spec.driver": lambda found: found.spec.driver,
    },
    default=_default,
    default_times=_set_times,
    prepare_create=_without_disabled,
    prepare_update=lambda _, new: _without_disabled(new),
    rules=slice_errors,
    transition=slice_changes,
    warnings=slice_warnings,
)
