"""Applies plans to plain lists of objects, as the API server would: for the properties of pure planners."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from fairlead.api.meta.types import Object
from fairlead.runtime.plan import Plan

T = TypeVar("T", bound=Object)
_NUMBERS = itertools.count(1)


def applied(plan: Plan, objects: Iterable[T], kind: type[T]) -> list[T]:
    """The objects of one kind after the plan; deletions are immediate."""
    found = {obj.metadata.name: obj for obj in objects}
    for create in plan.create:
        if isinstance(create.obj, kind):
            made = _named(create.obj)
            found[made.metadata.name] = made
    for update in (*plan.update, *plan.status):
        if isinstance(update.obj, kind):
            found[update.obj.metadata.name] = update.obj
    for delete in plan.delete:
        found.pop(delete.obj.metadata.name, None)
    return [found[name] for name in sorted(found)]


def _named(obj: T) -> T:
    number = next(_NUMBERS)
    name = obj.metadata.name or f"{obj.metadata.generateName}{number:05d}"
    meta = msgspec.structs.replace(obj.metadata, name=name, uid=f"made-{number}", generateName="")
    return msgspec.structs.replace(obj, metadata=meta)
