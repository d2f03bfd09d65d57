"""Restores the initial flow schemas and priority levels that differ from their fixed specs. Pure."""

from __future__ import annotations

from typing import TypeVar

from fairlead.api.flowcontrol.autoupdate import AUTO_UPDATE, MANDATORY
from fairlead.api.flowcontrol.flowschema.types import FlowSchema
from fairlead.api.flowcontrol.prioritylevelconfiguration.types import PriorityLevelConfiguration
from fairlead.api.meta.types import ObjectMeta

_Either = TypeVar("_Either", FlowSchema, PriorityLevelConfiguration)


def restored(current: _Either, desired: _Either) -> _Either | None:
    """Returns the object with the fixed spec and annotation; None if the present object may stay."""
    updates = current.metadata.name in MANDATORY or _is_restored(current.metadata)
    annotation = "true" if updates else "false"
    spec_differs = updates and not _same_spec(current, desired)
    if not spec_differs and current.metadata.annotations.get(AUTO_UPDATE) == annotation:
        return None
    if spec_differs:
        current.spec = desired.spec
    current.metadata.annotations[AUTO_UPDATE] = annotation
    return current


def _is_restored(meta: ObjectMeta) -> bool:
    """Returns whether the annotation allows the server to restore the spec. Without the annotation, the first
    generation counts as the server's own."""
    return {"true": True, "false": False}.get(meta.annotations.get(AUTO_UPDATE, ""), meta.generation == 1)


def _same_spec(current: _Either, desired: _Either) -> bool:
    """Compares specs; users may change the settings of the exempt level."""
    if isinstance(current, PriorityLevelConfiguration) and current.metadata.name == "exempt":
        return True  # the checks hold the rest of the spec
    return current.spec == desired.spec
