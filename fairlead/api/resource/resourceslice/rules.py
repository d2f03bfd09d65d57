"""Checks of resource slices. Source of the texts: upstream's validation of `resource.k8s.io`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.api.core.pod.placement.affinity_rules import node_selector_errors
from fairlead.api.meta.rules import unchanged
from fairlead.api.resource.devices.lists import (
    attribute_name,
    binding_errors,
    driver_name,
    each,
    entries,
    label,
    label_name,
    pool_name,
    too_long,
    unique,
)
from fairlead.api.resource.devices.rules import EFFECTS
from fairlead.api.resource.resourceslice.policies import capacity_errors
from fairlead.api.resource.resourceslice.types import (
    Counter,
    CounterSet,
    Device,
    DeviceAttribute,
    DeviceCounterConsumption,
    DeviceTaint,
    ResourcePool,
    ResourceSlice,
    ResourceSliceSpec,
)
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required

_MOST_DEVICES, _MOST_ADVANCED_DEVICES = 128, 64
_MOST_COUNTER_SETS, _MOST_COUNTERS, _MOST_CONSUMPTIONS = 8, 32, 2
_MOST_PROPERTIES, _MOST_TAINTS = 32, 16
_VALUE_BYTES = 64
_UNBOUNDED = 1 << 30
_NUMBER = r"(0|[1-9]\d*)"
_PRE_RELEASE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_BUILD = "[0-9a-zA-Z-]+"
_is_version = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE_RELEASE}(\.{_PRE_RELEASE})*)?(\+{_BUILD}(\.{_BUILD})*)?", re.ASCII
).fullmatch
_ONLY_TRUE = "must be either unset or set to true"
_SLICE_NODES = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_DEVICE_NODES = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)
_NOT_PER_DEVICE = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the "
    "ResourceSlice spec"
)


def slice_errors(found: ResourceSlice) -> Iterator[FieldError]:
    spec = found.spec
    yield from driver_name(spec.driver, "spec.driver")
    yield from _pool_errors(spec.pool, "spec.pool")
    yield from _node_errors(spec, "spec")
    if spec.sharedCounters and spec.devices:
        yield invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    advanced = any(device.taints or device.consumesCounters for device in spec.devices)
    per_device = spec.perDeviceNodeSelection is True
    yield from unique(
        spec.devices,
        _MOST_ADVANCED_DEVICES if advanced else _MOST_DEVICES,
        "spec.devices",
        lambda one, at: _device_errors(one, at, per_device=per_device),
        lambda one: one.name,
    )
    sets = spec.sharedCounters
    yield from unique(sets, _MOST_COUNTER_SETS, "spec.sharedCounters", _counter_set_errors, lambda one: one.name)


def slice_changes(old: ResourceSlice, new: ResourceSlice) -> Iterator[FieldError]:
    yield from unchanged(old.spec.pool.name, new.spec.pool.name, "spec.pool.name")
    yield from unchanged(old.spec.driver, new.spec.driver, "spec.driver")
    yield from unchanged(old.spec.nodeName, new.spec.nodeName, "spec.nodeName")


def slice_warnings(found: ResourceSlice) -> Iterator[str]:
    driver = found.spec.driver
    if driver != driver.lower():
        yield f'spec.driver: driver names should be lowercase; "{driver}" contains uppercase characters'


def _pool_errors(pool: ResourcePool, path: str) -> Iterator[FieldError]:
    yield from pool_name(pool.name, f"{path}.name")
    if pool.resourceSliceCount <= 0:
        yield invalid(f"{path}.resourceSliceCount", pool.resourceSliceCount, "must be greater than zero")
    if pool.generation < 0:
        yield invalid(f"{path}.generation", pool.generation, "must be greater than or equal to zero")


def _node_errors(spec: ResourceSliceSpec, path: str) -> Iterator[FieldError]:
    """Yields errors of the four fields of which one says which nodes can use the devices."""
    if spec.nodeName == "":
        yield invalid(f"{path}.nodeName", "", "must be either unset or set to a non-empty string")
    for text in names.dns1123_subdomain(spec.nodeName) if spec.nodeName else ():
        yield invalid(f"{path}.nodeName", spec.nodeName, text)
    if spec.nodeSelector is not None:
        yield from node_selector_errors(spec.nodeSelector, f"{path}.nodeSelector")
        terms = spec.nodeSelector.nodeSelectorTerms
        if len(terms) != 1:
            where = f"{path}.nodeSelector.nodeSelectorTerms"
            yield invalid(where, to_tree(terms), "must have exactly one node selector term")
    for field in ("allNodes", "perDeviceNodeSelection"):
        if getattr(spec, field) is False:
            yield invalid(f"{path}.{field}", False, _ONLY_TRUE)
    yield from _one_of(spec, ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"), path, _SLICE_NODES)


def _one_of(found: ResourceSliceSpec | Device, fields: tuple[str, ...], path: str, text: str) -> Iterator[FieldError]:
    given = [f"`{field}`" for field in fields if getattr(found, field) not in (None, False, "")]
    if not given:
        yield required(path, text)
    elif len(given) > 1:
        more = ", but multiple fields are set" if isinstance(found, ResourceSliceSpec) else ""
        yield invalid(path, f"{{{', '.join(given)}}}", text + more)


def _counter_set_errors(found: CounterSet, path: str) -> Iterator[FieldError]:
    yield from _counter_errors(found.name, f"{path}.name", found.counters, path)


def _consumption_errors(found: DeviceCounterConsumption, path: str) -> Iterator[FieldError]:
    yield from _counter_errors(found.counterSet, f"{path}.counterSet", found.counters, path)


def _counter_errors(name: str, name_path: str, counters: dict[str, Counter], path: str) -> Iterator[FieldError]:
    if name:
        yield from label(name, name_path)
    else:
        yield required(name_path)
    if counters:
        yield from entries(counters, _MOST_COUNTERS, f"{path}.counters", label, lambda one, at: ())
    else:
        yield required(f"{path}.counters")


def _device_errors(device: Device, path: str, *, per_device: bool) -> Iterator[FieldError]:
    yield from label(device.name, f"{path}.name")
    count = len(device.attributes) + len(device.capacity)
    if count > _MOST_PROPERTIES:
        text = f"the total number of attributes and capacities must not exceed {_MOST_PROPERTIES}"
        yield invalid(path, count, text)
    yield from entries(device.attributes, _UNBOUNDED, f"{path}.attributes", attribute_name, _attribute_errors)
    shared = device.allowMultipleAllocations is True
    check = lambda one, at: capacity_errors(one, at, shared=shared)  # noqa: E731 -- binds a fact about the device
    yield from entries(device.capacity, _UNBOUNDED, f"{path}.capacity", attribute_name, check)
    yield from each(device.taints, _MOST_TAINTS, f"{path}.taints", _taint_errors)
    consumed = device.consumesCounters
    where = f"{path}.consumesCounters"
    yield from unique(consumed, _MOST_CONSUMPTIONS, where, _consumption_errors, lambda one: one.counterSet)
    yield from _device_node_errors(device, path, per_device=per_device)
    yield from binding_errors(device.bindingConditions, device.bindingFailureConditions, path)


def _device_node_errors(device: Device, path: str, *, per_device: bool) -> Iterator[FieldError]:
    if not per_device:
        if (device.nodeName, device.nodeSelector, device.allNodes) != (None, None, None):
            yield invalid(path, None, _NOT_PER_DEVICE)
        return
    if device.nodeName == "":
        yield invalid(f"{path}.nodeName", "", "must not be empty")
    for text in names.dns1123_subdomain(device.nodeName) if device.nodeName else ():
        yield invalid(f"{path}.nodeName", device.nodeName, text)
    if device.nodeSelector is not None:
        yield from node_selector_errors(device.nodeSelector, f"{path}.nodeSelector")
    if device.allNodes is False:
        yield invalid(f"{path}.allNodes", False, _ONLY_TRUE)
    yield from _one_of(device, ("nodeName", "nodeSelector", "allNodes"), path, _DEVICE_NODES)


def _attribute_errors(found: DeviceAttribute, path: str) -> Iterator[FieldError]:
    if found.string is not None and len(found.string.encode()) > _VALUE_BYTES:
        yield too_long(f"{path}.string", _VALUE_BYTES)
    if found.version is not None:
        if not _is_version(found.version):
            text = "must be a string compatible with semver.org spec 2.0.0"
            yield invalid(f"{path}.version", found.version, text)
        if len(found.version.encode()) > _VALUE_BYTES:
            yield too_long(f"{path}.version", _VALUE_BYTES)
    given = [value for value in (found.int, found.bool, found.string, found.version) if value is not None]
    if len(given) != 1:
        yield invalid(path, to_tree(found) if given else "", "exactly one value must be specified")


def _taint_errors(taint: DeviceTaint, path: str) -> Iterator[FieldError]:
    yield from label_name(taint.key, f"{path}.key")
    for text in names.label_value(taint.value):
        yield invalid(f"{path}.value", taint.value, text)
    if not taint.effect:
        yield required(f"{path}.effect")
    elif taint.effect not in EFFECTS:
        yield not_supported(f"{path}.effect", taint.effect, EFFECTS)
