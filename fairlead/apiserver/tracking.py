"""`metadata.managedFields` of every write: who changed which fields.

What must stay true: a write costs next to nothing where nobody can want to know. Upstream tracks an object from its
creation or not at all (its `trackOnCreateProbability`), and whatever an untracked object has when it is first applied
belongs to `before-first-apply`. Here the writers that name neither a `fieldManager` nor a program (`User-Agent`)
start no tracking: these are this cluster's own components, whose Pods, Endpoints, Leases and Events nobody applies,
and whose writes are most of all. What others created is tracked from there on, whoever writes it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.api.meta import ManagedFieldsEntry
from fairlead.api.service import SERVICE
from fairlead.machinery.apply import Write, track
from fairlead.machinery.fieldset import BadFields, Fields, field_set, parse_fields
from fairlead.machinery.kind import Kind
from fairlead.machinery.managed import APPLY, UPDATE, Entry, Managed, from_entries, to_entries
from fairlead.machinery.shape import Shape, struct_shape

Tree = dict[str, Any]

UNNAMED = "fairlead"
"""The manager's name where a tracked object is written by one that names neither itself nor its program."""
_FIELDS_V1 = "FieldsV1"
_HEADER = frozenset({"kind", "apiVersion", "metadata"})
# Upstream fills these in while it allocates addresses, later than it notes who owns what.
_ASSIGNED: dict[Kind[Any], tuple[str, ...]] = {SERVICE: ("ipFamilies", "ipFamilyPolicy")}


def given(kind: Kind[Any], obj: Any) -> tuple[str, ...]:
    """Which of the fields of `spec` that the server assigns are in the request; ask before defaulting."""
    return tuple(name for name in _ASSIGNED.get(kind, ()) if getattr(obj.spec, name))


def track_create(kind: Kind[Any], obj: Any, manager: str, *, asked: Sequence[str], time: str) -> None:
    """Notes the owners of a new object, just defaulted; `asked` is what `given` said."""
    if not manager:
        return
    tree = msgspec.to_builtins(obj)
    for name in _ASSIGNED.get(kind, ()):
        if name not in asked:
            tree["spec"].pop(name, None)
    obj.metadata.managedFields = write_managed(track({}, _empty(kind), tree, write_of(kind, manager, time=time)))


def track_update(kind: Kind[Any], old: Any, new: Any, manager: str, *, subresource: str, time: str) -> None:
    """Notes the owners of an object's new state, defaulted but not yet adjusted in any other way."""
    live, sent = old.metadata.managedFields, new.metadata.managedFields
    if not live and not sent:
        return
    kept, managed = live, None
    if not subresource and sent != live:
        if sent == [ManagedFieldsEntry()]:
            new.metadata.managedFields = []
            return
        managed = read_managed(sent)
        if managed:
            kept = write_managed(managed)
    if not managed:
        managed = read_managed(live) or {}
    if not managed:
        new.metadata.managedFields = []
        return
    write = write_of(kind, manager or UNNAMED, subresource=subresource, time=time)
    after = track(managed, tree_of(old), tree_of(new), write)
    new.metadata.managedFields = kept if after is managed else write_managed(after)


def write_of(kind: Kind[Any], manager: str, *, subresource: str = "", time: str) -> Write:
    shape, ignored = shape_of(kind), ignored_fields(kind, subresource)
    return Write(shape, manager, kind.api_version, subresource, time, ignored)


def shape_of(kind: Kind[Any]) -> Shape:
    struct: Any = kind.type
    return struct_shape(struct)


@functools.cache
def ignored_fields(kind: Kind[Any], subresource: str) -> Fields | None:
    """What this endpoint leaves alone whatever it is sent (`prepare.prepare_update` sees to it)."""
    if subresource == "status":
        names = (name for name in kind.type.__struct_fields__ if name not in _HEADER and name != "status")
        found = [*((name,) for name in names), ("metadata", "ownerReferences")]
        if kind.group == "apps":
            found.append(("metadata", "labels"))
        return field_set(*found)
    return field_set(("status",)) if kind.status and not subresource else None


def tree_of(obj: Any) -> Tree:
    """The object's tree without its owners."""
    entries, obj.metadata.managedFields = obj.metadata.managedFields, []
    tree: Tree = msgspec.to_builtins(obj)
    obj.metadata.managedFields = entries
    return tree


def read_managed(entries: Sequence[ManagedFieldsEntry]) -> Managed | None:
    """None where an entry is none."""
    found = []
    for entry in entries:
        if entry.operation not in (APPLY, UPDATE) or entry.fieldsType != _FIELDS_V1:
            return None
        try:
            fields = parse_fields(entry.fieldsV1 or {})
        except BadFields:
            return None
        found.append(
            Entry(entry.manager, entry.operation, entry.apiVersion, fields, entry.time or "", entry.subresource)
        )
    return from_entries(found)


def write_managed(managed: Managed) -> list[ManagedFieldsEntry]:
    return [
        ManagedFieldsEntry(
            manager=entry.manager,
            operation=entry.operation,
            apiVersion=entry.api_version,
            time=entry.time or None,
            fieldsType=_FIELDS_V1,
            fieldsV1=entry.fields,
            subresource=entry.subresource,
        )
        for entry in to_entries(managed)
    ]


@functools.cache
def _empty(kind: Kind[Any]) -> Tree:
    """An object before anybody set anything: what is in it anyway is nobody's."""
    tree: Tree = msgspec.to_builtins(kind.type())
    return tree
