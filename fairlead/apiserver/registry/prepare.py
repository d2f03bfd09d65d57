"""Sets the server's fields before the checks: identity, times, generation, and fields that a client must not change.

Pure; takes its arguments over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from fairlead.api.meta.types import ObjectMeta
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import Kind, Part
from fairlead.machinery.values.status import bad_request, invalid, invalid_object

_ALWAYS_NEW = frozenset({"kind", "apiVersion", "metadata"})
_SUFFIX_ROOM = 58
"""Length to which `generateName` is cut, so that name and suffix have at most 63 characters."""


class NamespacedName(msgspec.Struct, frozen=True):
    """Namespace and name of the object in the request's path."""

    namespace: str
    name: str


def ensure_version(kind: Kind[Any], obj: Any, name: str) -> None:
    """Raises StatusError 422 if a PUT must name the version that it replaces and does not."""
    if not kind.unconditional_update and obj.metadata.resourceVersion in ("", "0"):
        raise invalid_object(kind.plural, kind.group, name, [_NEEDS_VERSION])


_NEEDS_VERSION = invalid("metadata.resourceVersion", 0, "must be specified for an update")


def ensure_name_matches(obj: Any, requested: NamespacedName) -> None:
    """Fills in namespace and name from the path if the body leaves them out. Raises StatusError 400 for a
    contradiction."""
    meta: ObjectMeta = obj.metadata
    if not meta.namespace:
        meta.namespace = requested.namespace
    elif meta.namespace != requested.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
            if requested.namespace
            else "namespace is not allowed for a cluster-scoped resource"
        )
    if requested.name:
        if not meta.name:
            meta.name = requested.name
        elif meta.name != requested.name:
            raise bad_request(
                f"the name of the object ({meta.name}) does not match the name on the URL ({requested.name})"
            )


def ensure_action_matches(action: Any, kind: str, requested: NamespacedName) -> None:
    """Does the same for an action on another object (a Binding), with upstream's texts. Raises StatusError 400."""
    meta: ObjectMeta = action.metadata
    if meta.name and meta.name != requested.name:
        raise bad_request(f"name in URL does not match name in {kind} object")
    ensure_name_matches(action, requested)


def begin_create(obj: Any) -> None:
    """Clears the fields of a new object that only the server sets. Admission sees an object without identity."""
    meta: ObjectMeta = obj.metadata
    meta.uid = ""
    meta.creationTimestamp = None
    meta.managedFields = []
    _clear_server_fields(meta)


def identify(kind: Kind[Any], obj: Any, *, uid: str, now: Instant) -> None:
    """Sets identity and times of a new object, whatever admission has set."""
    meta: ObjectMeta = obj.metadata
    meta.uid = uid
    meta.creationTimestamp = render_time(now)
    _clear_server_fields(meta)
    meta.generation = 1 if kind.generation else 0


def _clear_server_fields(meta: ObjectMeta) -> None:
    meta.deletionTimestamp = None
    meta.deletionGracePeriodSeconds = None
    meta.generation = 0
    meta.selfLink = ""


def generated_name(base: str, suffix: str) -> str:
    return base[:_SUFFIX_ROOM] + suffix


def prepare_update(kind: Kind[Any], old: Any, new: Any, subresource: str, *, now: Instant) -> None:
    """Restores the fields that this endpoint must not change, completes those that it writes, counts generations."""
    meta, was = new.metadata, old.metadata
    meta.uid = was.uid
    meta.selfLink = ""
    meta.generateName = was.generateName
    meta.creationTimestamp = was.creationTimestamp
    meta.deletionTimestamp = was.deletionTimestamp
    meta.deletionGracePeriodSeconds = was.deletionGracePeriodSeconds
    meta.generation = was.generation
    part = kind.part(subresource)
    if part is not None:
        _keep_all_but_part(kind, part, old, new)
        part.prepare(old, new, now)
    elif subresource == "status":
        _keep_all_but_status(kind, old, new)
        kind.prepare_status(old, new, now)
    elif kind.status and not subresource:
        new.status = old.status
    if kind.generation and (part is not None or not subresource) and kind.changes_generation(old, new):
        meta.generation = was.generation + 1


def _keep_all_but_status(kind: Kind[Any], old: Any, new: Any) -> None:
    for name in _field_names(kind, old, new):
        if name not in _ALWAYS_NEW and name != "status":
            setattr(new, name, getattr(old, name))
    for name in kind.status_leaves:
        setattr(new.metadata, name, getattr(old.metadata, name))


def _field_names(kind: Kind[Any], old: Any, new: Any) -> Iterable[str]:
    """Returns the fields of two objects: those of the schema, and others that it lets objects have."""
    known = kind.schema.fields
    if not kind.schema.open:
        return known
    return {*known, *to_tree(old), *to_tree(new)}


def _keep_all_but_part(kind: Kind[Any], part: Part[Any], old: Any, new: Any) -> None:
    merged = _with_field(old, new, part.writes)
    for name in kind.schema.fields:
        if name not in _ALWAYS_NEW:
            setattr(new, name, getattr(merged, name))
    for name in part.leaves:
        setattr(new.metadata, name, getattr(old.metadata, name))


def _with_field(old: Any, new: Any, path: tuple[str, ...]) -> Any:
    """Returns the old struct with the field of the new one at the path. Shares the rest with `old`."""
    name, below = path[0], path[1:]
    inner = _with_field(getattr(old, name), getattr(new, name), below) if below else getattr(new, name)
    return msgspec.structs.replace(old, **{name: inner})
