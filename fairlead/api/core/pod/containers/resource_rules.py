"""Checks of requests, limits and other amounts."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.amounts import Amount, value
from fairlead.api.core.pod.containers.container import ResourceRequirements
from fairlead.api.core.resourcenames import (
    amount_errors,
    container_name_errors,
    is_whole,
    may_overcommit,
)
from fairlead.machinery.values.status import FieldError, invalid, required

__all__ = ["amount_errors", "resource_errors"]


def resource_errors(resources: ResourceRequirements, path: str) -> Iterator[FieldError]:
    if not resources.limits and not resources.requests:
        return
    for part, amounts in (("limits", resources.limits), ("requests", resources.requests)):
        for name, amount in amounts.items():
            where = f"{path}.{part}[{name}]"
            yield from container_name_errors(name, where)
            yield from amount_errors(amount, where, whole=is_whole(name))
    for name, amount in resources.requests.items():
        yield from _overcommit_errors(name, amount, resources.limits.get(name), path)


def _overcommit_errors(name: str, amount: Amount, limit: Amount | None, path: str) -> Iterator[FieldError]:
    """Yields errors of requests and limits. Only cpu, memory and storage may have limits above the requests; all
    other resources need equal values."""
    strict = not may_overcommit(name)
    if limit is None:
        if strict:
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif strict and value(str(amount)) != value(str(limit)):
        yield invalid(f"{path}.requests", str(amount), f"must be equal to {name} limit of {limit}")
    elif value(str(amount)) > value(str(limit)):
        yield invalid(f"{path}.requests", str(amount), f"must be less than or equal to {name} limit of {limit}")
