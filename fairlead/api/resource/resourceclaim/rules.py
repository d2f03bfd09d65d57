"""Checks of claims and their status. Source of the texts: upstream's validation of `resource.k8s.io`."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.pod.placement.affinity_rules import node_selector_errors
from fairlead.api.meta.conditions import condition_errors
from fairlead.api.meta.rules import too_many, unchanged
from fairlead.api.resource.devices.lists import (
    binding_errors,
    driver_name,
    each,
    json_object,
    label,
    pool_name,
    too_long,
    uid,
    unique,
)
from fairlead.api.resource.devices.rules import (
    MOST_REQUESTS,
    RequestNames,
    claim_errors,
    opaque_errors,
    reference_errors,
    reference_list_errors,
    request_names,
)
from fairlead.api.resource.resourceclaim.types import (
    AllocatedDeviceStatus,
    AllocationResult,
    DeviceAllocationConfiguration,
    DeviceRequestAllocationResult,
    NetworkDeviceData,
    ResourceClaim,
    ResourceClaimConsumerReference,
)
from fairlead.base.instant import Instant
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported, required

_MOST_CONSUMERS = 256
_MOST_CONFIGS = 64
_MOST_CONDITIONS = 8
_DATA_BYTES = 10 << 10
_MOST_IPS = 16
_INTERFACE_BYTES, _HARDWARE_BYTES = 256, 128
_SOURCES = ("FromClaim", "FromClass")
_UNBOUNDED = 1 << 30

DeviceID = tuple[str, str, str, str]


def claim_rules(claim: ResourceClaim) -> Iterator[FieldError]:
    yield from claim_errors(claim.spec.devices, "spec.devices")


def claim_changes(old: ResourceClaim, new: ResourceClaim) -> Iterator[FieldError]:
    yield from unchanged(old.spec, new.spec, "spec")
    if old.status != new.status:
        yield from _status_errors(old, new)


def _status_errors(old: ResourceClaim, new: ResourceClaim) -> Iterator[FieldError]:
    status = new.status
    consumers = status.reservedFor
    yield from unique(consumers, _MOST_CONSUMERS, "status.reservedFor", _consumer_errors, lambda one: one.uid)
    allocated = _allocated(status.allocation)
    check = lambda one, at: _device_errors(one, at, allocated)  # noqa: E731 -- binds the allocated devices
    yield from unique(status.devices, _UNBOUNDED, "status.devices", check, _device_id)
    if consumers and status.allocation is None:
        yield forbidden("status.reservedFor", "may not be specified when `allocated` is not set")
    elif new.metadata.deletionTimestamp is not None and any(one not in old.status.reservedFor for one in consumers):
        text = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        yield forbidden("status.reservedFor", text)
    if status.allocation is not None and old.status.allocation is not None:
        yield from unchanged(old.status.allocation, status.allocation, "status.allocation")
    elif status.allocation is not None:
        yield from _allocation_errors(status.allocation, "status.allocation", request_names(new.spec.devices))


def _consumer_errors(consumer: ResourceClaimConsumerReference, path: str) -> Iterator[FieldError]:
    for field in ("resource", "name", "uid"):
        if not getattr(consumer, field):
            yield required(f"{path}.{field}")


def _allocation_errors(allocation: AllocationResult, path: str, known: RequestNames) -> Iterator[FieldError]:
    devices = allocation.devices
    where = f"{path}.devices"
    yield from each(devices.results, MOST_REQUESTS, f"{where}.results", lambda one, at: _result_errors(one, at, known))
    yield from each(devices.config, _MOST_CONFIGS, f"{where}.config", lambda one, at: _config_errors(one, at, known))
    if allocation.nodeSelector is not None:
        yield from node_selector_errors(allocation.nodeSelector, f"{path}.nodeSelector")


def _result_errors(result: DeviceRequestAllocationResult, path: str, known: RequestNames) -> Iterator[FieldError]:
    yield from reference_errors(result.request, f"{path}.request", known)
    yield from driver_name(result.driver, f"{path}.driver")
    yield from pool_name(result.pool, f"{path}.pool")
    yield from label(result.device, f"{path}.device")
    yield from binding_errors(result.bindingConditions, result.bindingFailureConditions, path)
    if result.shareID is not None:
        yield from uid(result.shareID, f"{path}.shareID")


def _config_errors(config: DeviceAllocationConfiguration, path: str, known: RequestNames) -> Iterator[FieldError]:
    if not config.source:
        yield required(f"{path}.source")
    elif config.source not in _SOURCES:
        yield not_supported(f"{path}.source", config.source, _SOURCES)
    yield from reference_list_errors(config.requests, f"{path}.requests", known)
    yield from opaque_errors(config.opaque, path)


def _device_errors(device: AllocatedDeviceStatus, path: str, allocated: set[DeviceID]) -> Iterator[FieldError]:
    yield from driver_name(device.driver, f"{path}.driver")
    yield from pool_name(device.pool, f"{path}.pool")
    yield from label(device.device, f"{path}.device")
    if device.shareID is not None:
        yield from uid(device.shareID, f"{path}.shareID")
    if _device_id(device) not in allocated:
        shown = {"Driver": device.driver, "Pool": device.pool, "Device": device.device, "ShareID": device.shareID or ""}
        yield invalid(path, shown, "must be an allocated device in the claim")
    yield from too_many(len(device.conditions), _MOST_CONDITIONS, f"{path}.conditions")
    yield from condition_errors(device.conditions, f"{path}.conditions")
    if device.data is not None:
        yield from json_object(device.data, f"{path}.data", _DATA_BYTES)
    if device.networkData is not None:
        yield from _network_errors(device.networkData, f"{path}.networkData")


def _network_errors(data: NetworkDeviceData, path: str) -> Iterator[FieldError]:
    if len(data.interfaceName.encode()) > _INTERFACE_BYTES:
        yield too_long(f"{path}.interfaceName", _INTERFACE_BYTES)
    if len(data.hardwareAddress.encode()) > _HARDWARE_BYTES:
        yield too_long(f"{path}.hardwareAddress", _HARDWARE_BYTES)
    yield from unique(data.ips, _MOST_IPS, f"{path}.ips", _interface_address, lambda one: one)


def _interface_address(address: str, path: str) -> Iterator[FieldError]:
    for text in names.interface_address(address):
        yield invalid(path, address, text)


def _device_id(device: AllocatedDeviceStatus | DeviceRequestAllocationResult) -> DeviceID:
    return device.driver, device.pool, device.device, device.shareID or ""


def _allocated(allocation: AllocationResult | None) -> set[DeviceID]:
    return {_device_id(result) for result in allocation.devices.results} if allocation is not None else set()


def drop_freed_devices(old: ResourceClaim, new: ResourceClaim, _: Instant) -> None:
    """Removes the states of devices that a write of `status` has deallocated."""
    freed = _allocated(old.status.allocation) - _allocated(new.status.allocation)
    new.status.devices = [device for device in new.status.devices if _device_id(device) not in freed]
