"""Amounts of resources by name, and the totals of a Pod's containers."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.spec import PodSpec
from fairlead.machinery.values.quantity import Quantity, parse

Amounts = dict[str, Quantity]
ZERO = Quantity(Fraction(0), "decimal")
ONE = Quantity(Fraction(1), "decimal")
_OF_PODS = ("cpu", "memory")
"""Resources that a Pod may request as a whole, besides huge pages."""


def read(amounts: Mapping[str, str | int | float]) -> Amounts:
    """Returns amounts as they stand in an object."""
    return {name: parse(str(amount)) for name, amount in amounts.items()}


def written(amounts: Mapping[str, Quantity]) -> dict[str, str]:
    """Returns amounts as they are written into an object."""
    return {name: str(amount) for name, amount in amounts.items()}


def shown(amounts: Mapping[str, Quantity]) -> str:
    """Returns amounts as text, sorted by name: `cpu=1,pods=2`."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))


def plus(one: Quantity, other: Quantity) -> Quantity:
    """Returns the sum in the notation of the first amount, unless that is zero."""
    return Quantity(one.value + other.value, one.notation if one.value else other.notation)


def minus(one: Quantity, other: Quantity) -> Quantity:
    return Quantity(one.value - other.value, one.notation)


def add(one: Mapping[str, Quantity], other: Mapping[str, Quantity]) -> Amounts:
    """Returns the sums of both by name."""
    return {**one, **{name: plus(one.get(name, ZERO), amount) for name, amount in other.items()}}


def _most(one: Amounts, other: Amounts) -> Amounts:
    """Returns the greater amounts of both by name."""
    return {
        **one,
        **{name: amount for name, amount in other.items() if name not in one or amount.value > one[name].value},
    }


def pod_requests(spec: PodSpec, *, overhead: bool) -> Amounts:
    """Returns what a Pod requests, with or without its overhead."""
    found = _totals(spec, "requests")
    return add(found, read(spec.overhead or {})) if overhead else found


def pod_limits(spec: PodSpec, *, overhead: bool) -> Amounts:
    """Returns the limits of a Pod; an overhead is added to limits that are set."""
    found = _totals(spec, "limits")
    extra = read(spec.overhead or {}) if overhead else {}
    return add(found, {name: amount for name, amount in extra.items() if name in found})


def _totals(spec: PodSpec, part: str) -> Amounts:
    """Returns the sum of all containers, or the most that init containers need together with sidecars, if that is
    more; what the Pod sets as a whole replaces the sum."""
    total: Amounts = {}
    for container in spec.containers:
        total = add(total, _part(container, part))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.initContainers:
        own = _part(container, part)
        if container.restartPolicy == "Always":
            total, sidecars = add(total, own), add(sidecars, own)
            peak = _most(peak, sidecars)
        else:
            peak = _most(peak, add(own, sidecars))
    total = _most(total, peak)
    if spec.resources is not None:
        whole = read(getattr(spec.resources, part))
        total |= {name: amount for name, amount in whole.items() if name in _OF_PODS or name.startswith("hugepages-")}
    return total


def _part(container: Container, part: str) -> Amounts:
    return read(getattr(container.resources, part))
