"""Maintains `metadata.managedFields` in every write: the manager of each field.

What must stay true: a write costs almost nothing if its ownership will not be read. Upstream tracks an object from its
creation or not at all (its `trackOnCreateProbability`), and the fields that an untracked object has at its first apply
belong to `before-first-apply`. Here a writer that names neither a `fieldManager` nor a program (`User-Agent`) starts
no tracking: such writers are this cluster's components, whose Pods, Endpoints, Leases and Events are never applied,
and who make most of the writes. An object that another client created is tracked from then on, for every writer.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from fairlead.api.meta.types import ManagedFieldsEntry
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import Kind, per_kind
from fairlead.machinery.managedfields.apply import UNOWNED_TREE, Write, differences, reassign
from fairlead.machinery.managedfields.fieldset import Fields, FieldsError, field_set, parse_fields
from fairlead.machinery.managedfields.managed import APPLY, UPDATE, Managed, Owned, in_order, owner
from fairlead.machinery.managedfields.merging import remove
from fairlead.machinery.managedfields.newfields import text_of_new
from fairlead.machinery.managedfields.shape import Shape
from fairlead.machinery.managedfields.shape import shape_of as schema_shape
from fairlead.machinery.schemas.schema import Schema

Tree = dict[str, Any]

UNNAMED = "fairlead"
"""The manager's name if a tracked object is written by a client without `fieldManager` and program."""
_FIELDS_V1 = "FieldsV1"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_HEADER = frozenset({"kind", "apiVersion", "metadata"})


def track_create(kind: Kind[Any], obj: Any, manager: str, *, now: Instant) -> None:
    """Records the owners of a new object; defaults are set, but no fields that the server assigns."""
    if not manager:
        return
    tree = to_tree(obj)
    if kind.status:
        tree.pop("status", None)
    text = text_of_new(tree, _empty(kind), shape_of(kind), skip=UNOWNED_TREE)
    if text == "{}":
        return
    obj.metadata.managedFields = [
        ManagedFieldsEntry(
            manager=manager,
            operation=UPDATE,
            apiVersion=kind.api_version,
            time=_time(int(now)),
            fieldsType=_FIELDS_V1,
            fieldsV1=msgspec.Raw(text.encode()),
        )
    ]


def track_update(kind: Kind[Any], old: Any, new: Any, manager: str, *, subresource: str, now: Instant) -> None:
    """Records the owners of an object's new state; defaults are set, but no other adjustments are made."""
    live, sent = old.metadata.managedFields, new.metadata.managedFields
    if not live and not sent:
        return
    if not subresource and sent == [ManagedFieldsEntry()]:
        new.metadata.managedFields = []
        return
    claimed = read_managed(sent, trusted=False) if sent != live and not subresource else None
    before, after = _differing(kind, old, new, subresource)
    changed, removed = differences(before, after, shape_of(kind))
    if not claimed and not changed and not removed:
        new.metadata.managedFields = live
        return
    managed = claimed or read_managed(live)
    if not managed:
        new.metadata.managedFields = []
        return
    write = write_of(kind, manager or UNNAMED, subresource=subresource, now=now)
    new.metadata.managedFields = write_managed(reassign(managed, changed, removed, write))


def _differing(kind: Kind[Any], old: Any, new: Any, subresource: str) -> tuple[Tree, Tree]:
    """Returns the trees of both states, reduced to the differing fields that this endpoint writes."""
    ignored = ignored_fields(kind, subresource) or {}
    was, now = old.metadata, new.metadata
    header = was.managedFields, now.managedFields, was.resourceVersion
    was.managedFields, now.managedFields, was.resourceVersion = [], [], now.resourceVersion
    before, after = {}, {}
    for name in _parts(kind):
        one, other = getattr(old, name), getattr(new, name)
        if ignored.get(f"f:{name}") != {} and one != other:
            before[name], after[name] = to_tree(one), to_tree(other)
    was.managedFields, now.managedFields, was.resourceVersion = header
    below = {step: node for step, node in ignored.items() if node and step[2:] in before}
    if below:
        before, after = (remove(tree, below, shape_of(kind)) for tree in (before, after))
    return before, after


@per_kind
def _parts(kind: Kind[Any]) -> tuple[str, ...]:
    return tuple(name for name in kind.schema.fields if name not in ("kind", "apiVersion"))


def write_of(kind: Kind[Any], manager: str, *, subresource: str = "", now: Instant) -> Write:
    shape, ignored = shape_of(kind), ignored_fields(kind, subresource)
    return Write(shape, manager, kind.api_version, subresource, _time(int(now)), ignored)


def shape_of(kind: Kind[Any]) -> Shape:
    return schema_shape(kind.schema)


@per_kind
def ignored_fields(kind: Kind[Any], subresource: str) -> Fields | None:
    """Returns the fields that this endpoint never writes (see `prepare.prepare_update`)."""
    part = kind.part(subresource)
    if part is not None:
        others = (path for path in _all_but(kind.schema, part.writes) if path[0] not in _HEADER)
        return field_set(*others, *(("metadata", name) for name in part.leaves))
    if subresource == "status":
        names = (name for name in kind.schema.fields if name not in _HEADER and name != "status")
        return field_set(*((name,) for name in names), *(("metadata", name) for name in kind.status_leaves))
    return field_set(("status",)) if kind.status and not subresource else None


def _all_but(schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yields the fields of a schema except the path to one of them."""
    for name, known in schema.fields.items():
        if name != path[0]:
            yield (name,)
        elif path[1:] and known.type.schema is not None:
            yield from ((name, *below) for below in _all_but(known.type.schema, path[1:]))


def tree_of(obj: Any) -> Tree:
    """Returns the object's tree without `managedFields`."""
    entries, obj.metadata.managedFields = obj.metadata.managedFields, []
    tree: Tree = to_tree(obj)
    obj.metadata.managedFields = entries
    return tree


def read_managed(entries: Sequence[ManagedFieldsEntry], *, trusted: bool = True) -> Managed | None:
    """Returns the owners of all fields, or None if an entry is malformed. `trusted` entries come from the store and
    are in normal form."""
    managed: Managed = {}
    for entry in entries:
        if entry.operation not in (APPLY, UPDATE) or entry.fieldsType != _FIELDS_V1:
            return None
        try:
            text = bytes(entry.fieldsV1)
            fields = _stored_fields(text) if trusted else parse_fields(_decode(text))
        except (FieldsError, msgspec.MsgspecError, RecursionError):
            return None
        who = owner(entry.operation, entry.manager, entry.subresource, entry.apiVersion)
        managed[who] = Owned(fields, entry.apiVersion, entry.time or "", entry.fieldsV1 if trusted else None)
    return managed


@functools.lru_cache(maxsize=256)
def _stored_fields(text: bytes) -> Fields:
    """Decodes a field set. Equal texts share one set, because similar objects have equal ones; it must not be
    changed in place."""
    return _decode(text)


def write_managed(managed: Managed) -> list[ManagedFieldsEntry]:
    """Returns the owners as the entries of `managedFields`, in upstream's order."""
    return [
        ManagedFieldsEntry(
            manager=who.manager,
            operation=who.operation,
            apiVersion=owned.api_version,
            time=owned.time or None,
            fieldsType=_FIELDS_V1,
            fieldsV1=owned.text or msgspec.Raw(_encode(owned.fields)),
            subresource=who.subresource,
        )
        for who, owned in in_order(managed)
    ]


@functools.lru_cache(maxsize=8)
def _time(second: int) -> str:
    return render_time(Instant(second))


@per_kind
def _empty(kind: Kind[Any]) -> Tree:
    """Returns the tree of an object without any set field: the fields in it do not have an owner."""
    tree: Tree = to_tree(kind.codec.new())
    return tree
