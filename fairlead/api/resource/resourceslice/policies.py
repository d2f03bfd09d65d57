"""Checks of the amounts that requests may take of a capacity."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.amounts import Amount, value
from fairlead.api.resource.devices.lists import unique
from fairlead.api.resource.resourceslice.types import CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity
from fairlead.machinery.values import quantity
from fairlead.machinery.values.status import FieldError, forbidden, invalid, required

_MOST_VALUES = 10


def capacity_errors(capacity: DeviceCapacity, path: str, *, shared: bool) -> Iterator[FieldError]:
    """Yields errors of a capacity; `shared`: the device can be allocated several times."""
    policy, where = capacity.requestPolicy, f"{path}.requestPolicy"
    if policy is None:
        return
    if not shared:
        yield forbidden(where, "allowMultipleAllocations must be true")
    elif policy.validValues and policy.validRange is not None:
        text = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        yield forbidden(where, text)
    elif policy.validValues:
        yield from _value_errors(policy, capacity.value, where)
    elif policy.validRange is not None:
        if policy.default is None:
            yield required(f"{where}.default", "required when validRange is defined")
        else:
            yield from _range_errors(policy.default, capacity.value, policy.validRange, f"{where}.validRange")


def _value_errors(policy: CapacityRequestPolicy, most: Amount, path: str) -> Iterator[FieldError]:
    if policy.default is None:
        yield required(f"{path}.default", "required when validValues is defined")
        return
    where, given = f"{path}.validValues", policy.validValues
    for i in range(1, len(given)):
        if _less(given[i], given[i - 1]):
            yield invalid(f"{where}[{i}]", str(given[i]), "values must be sorted in ascending order")

    def check(option: Amount, at: str) -> Iterator[FieldError]:
        if _less(most, option):
            yield invalid(at, str(option), f"option is larger than capacity value: {most}")

    yield from unique(given, _MOST_VALUES, where, check, lambda one: str(quantity.whole(str(one))))
    if all(value(str(option)) != value(str(policy.default)) for option in given):
        yield invalid(where, str(policy.default), "default value is not valid according to the requestPolicy")


def _range_errors(default: Amount, most: Amount, valid: CapacityRequestPolicyRange, path: str) -> Iterator[FieldError]:
    low, high, step = valid.min, valid.max, valid.step
    if low is None:
        yield required(f"{path}.min", "required when validRange is defined")
        return
    if _less(most, low):
        yield invalid(f"{path}.min", str(low), f"min is larger than capacity value: {most}")
    if _less(default, low):
        yield invalid(f"{path}.min", str(default), f"default is less than min: {low}")
    if high is not None:
        yield from _maximum_errors(default, most, low, high, f"{path}.max")
    if step is not None:
        yield from _step_errors([default, *([high] if high is not None else [])], most, low, step, f"{path}.step")


def _maximum_errors(default: Amount, most: Amount, low: Amount, high: Amount, path: str) -> Iterator[FieldError]:
    if _less(high, low):
        yield invalid(path, str(low), f"min is larger than max: {high}")
    if _less(most, high):
        yield invalid(path, str(high), f"max is larger than capacity value: {most}")
    if _less(high, default):
        yield invalid(path, str(default), f"default is more than max: {high}")


def _step_errors(given: list[Amount], most: Amount, low: Amount, step: Amount, path: str) -> Iterator[FieldError]:
    if value(str(low)) + value(str(step)) > value(str(most)):
        added = quantity.render_quantity(quantity.Quantity(value(str(low)) + value(str(step)), "decimal"))
        yield invalid(path, str(step), f"one step {added} is larger than capacity value: {most}")
    distance = quantity.whole(str(step))
    for one in given:
        if distance and (quantity.whole(str(one)) - quantity.whole(str(low))) % distance:
            yield invalid(path, str(one), f"value is not a multiple of a given step ({step}) from ({low})")


def _less(one: Amount, other: Amount) -> bool:
    return value(str(one)) < value(str(other))
