"""The LimitRange kind: bounds and defaults for the resources of single objects of a namespace.

Source of the rules and their texts: upstream's validation of LimitRange.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated

import msgspec

from fairlead.api.core.amounts import Amount, canonicalize, value
from fairlead.api.core.resourcenames import container_name_errors, may_overcommit, name_errors
from fairlead.api.meta.columns import CREATED_AT, NAME
from fairlead.api.meta.types import Object, Record, Resources, empty_list
from fairlead.machinery.kinds.kind import Atomic, Doc, Strategy
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, forbidden, invalid, required

__all__ = ["LimitRange", "LimitRangeItem", "LimitRangeSpec"]

POD, CONTAINER, CLAIM = "Pod", "Container", "PersistentVolumeClaim"
_MILLI_BOUND = Fraction((2**63 - 1) // 1000)
"""Upstream compares amounts below this bound in thousandths, and above it in units."""


class LimitRangeItem(Record):
    """Bounds and defaults for one type of object."""

    type: Annotated[str, Doc("Type of object that the limits apply to: Pod, Container or PersistentVolumeClaim.")] = (
        msgspec.field(default_factory=str)
    )
    default: Annotated[
        Resources, Doc("Limits of a container that sets none, by name of the resource; default: `max`.")
    ] = {}
    defaultRequest: Annotated[
        Resources, Doc("Requests of a container that sets none, by name of the resource; default: `default`, `min`.")
    ] = {}
    max: Annotated[Resources, Doc("Greatest amount that one object may use, by name of the resource.")] = {}
    maxLimitRequestRatio: Annotated[
        Resources, Doc("Greatest quotient of limit and request, by resource name; both must then be set.")
    ] = {}
    min: Annotated[Resources, Doc("Smallest amount that one object must request, by name of the resource.")] = {}


class LimitRangeSpec(Record):
    """Bounds and defaults that apply to the objects of a namespace."""

    limits: Annotated[
        list[LimitRangeItem], Atomic(), Doc("Bounds and defaults, at most one entry for each type of object.")
    ] = msgspec.field(default_factory=empty_list)


class LimitRange(Object):
    """Bounds the resources of each Pod, container or claim of a namespace and sets defaults for containers."""

    spec: Annotated[LimitRangeSpec, Doc("Bounds and defaults that apply to the objects of the namespace.")] = (
        msgspec.field(default_factory=LimitRangeSpec)
    )


def _default(limit_range: LimitRange) -> LimitRange:
    for item in limit_range.spec.limits:
        for amounts in (item.max, item.min, item.default, item.defaultRequest, item.maxLimitRequestRatio):
            canonicalize(amounts)
        if item.type == CONTAINER:
            item.default = item.max | item.default
            item.defaultRequest = item.min | item.default | item.defaultRequest
    return limit_range


def _rules(limit_range: LimitRange) -> Iterator[FieldError]:
    types: set[str] = set()
    for number, item in enumerate(limit_range.spec.limits):
        path = f"spec.limits[{number}]"
        yield from _type_errors(item.type, f"{path}.type")
        if item.type in types:
            yield duplicate(f"{path}.type", item.type)
        types.add(item.type)
        yield from _item_errors(item, path)


def _type_errors(type: str, path: str) -> Iterator[FieldError]:
    errors = [invalid(path, type, text) for text in names.qualified_name(type)]
    yield from errors
    if not errors and "/" not in type and type not in (POD, CONTAINER, CLAIM):
        yield invalid(path, type, "must be a standard limit type or fully qualified")


def _item_errors(item: LimitRangeItem, path: str) -> Iterator[FieldError]:
    yield from _names_errors(item, item.max, f"{path}.max")
    yield from _names_errors(item, item.min, f"{path}.min")
    defaults, requests = item.default, item.defaultRequest
    if item.type == POD:
        text = "may not be specified when `type` is 'Pod'"
        yield from (forbidden(f"{path}.{name}", text) for name in ("default", "defaultRequest") if getattr(item, name))
        defaults, requests = {}, {}
    yield from _names_errors(item, defaults, f"{path}.default")
    yield from _names_errors(item, requests, f"{path}.defaultRequest")
    if item.type == CLAIM and "storage" not in item.min and "storage" not in item.max:
        text = "either minimum or maximum storage value is required, but neither was provided"
        yield required(f"{path}.limits", text)
    yield from _names_errors(item, item.maxLimitRequestRatio, f"{path}.maxLimitRequestRatio")
    for name in sorted({*item.max, *item.min, *defaults, *requests, *item.maxLimitRequestRatio}):
        yield from _order_errors(item, name, defaults.get(name), requests.get(name), path)
        yield from _ratio_errors(item, name, f"{path}.maxLimitRequestRatio[{name}]")


def _names_errors(item: LimitRangeItem, amounts: Resources, path: str) -> Iterator[FieldError]:
    check = container_name_errors if item.type in (POD, CONTAINER) else name_errors
    for name in sorted(amounts):
        yield from check(name, f"{path}[{name}]")


def _order_errors(
    item: LimitRangeItem, name: str, default: Amount | None, request: Amount | None, path: str
) -> Iterator[FieldError]:
    """Yields an error for each two amounts in the wrong order. Errors of `default` show the bound, as upstream's do."""
    low, high = item.min.get(name), item.max.get(name)
    of_request, of_default = f"{path}.defaultRequest[{name}]", f"{path}.default[{name}]"
    if _exceeds(low, high):
        yield invalid(f"{path}.min[{name}]", low, f"min value {low} is greater than max value {high}")
    if _exceeds(low, request):
        yield invalid(of_request, request, f"min value {low} is greater than default request value {request}")
    if _exceeds(request, high):
        yield invalid(of_request, request, f"default request value {request} is greater than max value {high}")
    if _exceeds(request, default):
        text = f"default request value {request} is greater than default limit value {default}"
        yield invalid(of_request, request, text)
    if _exceeds(low, default):
        yield invalid(of_default, low, f"min value {low} is greater than default value {default}")
    if _exceeds(default, high):
        yield invalid(of_default, high, f"default value {default} is greater than max value {high}")
    if not may_overcommit(name) and (_exceeds(default, request) or _exceeds(request, default)):
        text = f"default value {default} must equal to defaultRequest value {request} in {name}"
        yield invalid(of_request, request, text)


def _exceeds(left: Amount | None, right: Amount | None) -> bool:
    return left is not None and right is not None and value(str(left)) > value(str(right))


def _ratio_errors(item: LimitRangeItem, name: str, path: str) -> Iterator[FieldError]:
    ratio = item.maxLimitRequestRatio.get(name)
    if ratio is None:
        return
    if value(str(ratio)) < 1:
        yield invalid(path, ratio, f"ratio {ratio} is less than 1")
    if name in item.min and name in item.max:
        amounts = [value(str(amount)) for amount in (ratio, item.max[name], item.min[name])]
        unit = 1000 if all(amount < _MILLI_BOUND for amount in amounts) else 1
        given, high, low = (Fraction(math.ceil(amount * unit), unit) for amount in amounts)
        if low and given > high / low:
            yield invalid(path, ratio, f"ratio {ratio} is greater than max/min = {float(high / low):.6f}")


STRATEGY: Strategy[LimitRange] = Strategy(
    type=LimitRange,
    created_by_update=True,
    columns=(NAME, CREATED_AT),
    default=_default,
    rules=_rules,
)
