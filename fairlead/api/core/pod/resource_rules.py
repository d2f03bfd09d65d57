"""Checks of requests, limits and other amounts."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.amounts import Amount, value
from fairlead.api.core.pod.container import ResourceRequirements
from fairlead.api.meta.rules import NOT_NEGATIVE
from fairlead.machinery.values import names, quantity
from fairlead.machinery.values.status import FieldError, invalid, required

_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED = frozenset({"pods", "services", "secrets", "configmaps", "persistentvolumeclaims", "resourcequotas"})
_HUGE = "hugepages-"
_NOT_STANDARD = "must be a standard resource type or fully qualified"
_NOT_CONTAINER = "must be a standard resource for containers"


def resource_errors(resources: ResourceRequirements, path: str) -> Iterator[FieldError]:
    if not resources.limits and not resources.requests:
        return
    for part, amounts in (("limits", resources.limits), ("requests", resources.requests)):
        for name, amount in amounts.items():
            where = f"{path}.{part}[{name}]"
            yield from _name_errors(name, where)
            yield from amount_errors(amount, where, whole="/" in name and not name.startswith("kubernetes.io/"))
    for name, amount in resources.requests.items():
        yield from _overcommit_errors(name, amount, resources.limits.get(name), path)


def amount_errors(amount: Amount, path: str, *, whole: bool = False) -> Iterator[FieldError]:
    text = str(amount)
    if wrong := quantity.texts(text):
        yield invalid(path, text, wrong[0])
    elif value(text) < 0:
        yield invalid(path, text, NOT_NEGATIVE)
    elif whole and value(text).denominator != 1:
        yield invalid(path, text, "must be an integer")


def _name_errors(name: str, path: str) -> Iterator[FieldError]:
    for text in names.qualified_name(name):
        yield invalid(path, name, text)
    if "/" not in name and name not in _CONTAINER and not name.startswith(_HUGE):
        if name not in _COUNTED and name != "storage":
            yield invalid(path, name, _NOT_STANDARD)
        yield invalid(path, name, _NOT_CONTAINER)


def _overcommit_errors(name: str, amount: Amount, limit: Amount | None, path: str) -> Iterator[FieldError]:
    """Yields errors of requests and limits. Only cpu, memory and storage may have limits above the requests; all
    other resources need equal values."""
    strict = "/" in name or name.startswith(_HUGE)
    if limit is None:
        if strict:
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif strict and value(str(amount)) != value(str(limit)):
        yield invalid(f"{path}.requests", str(amount), f"must be equal to {name} limit of {limit}")
    elif value(str(amount)) > value(str(limit)):
        yield invalid(f"{path}.requests", str(amount), f"must be less than or equal to {name} limit of {limit}")
