"""Decides whether one object is deleted or changed, given its owners and its dependents. Works on any kind, by metadata
alone.

- No owner exists any more: the object is deleted. Some exist: the references to the others are removed.
- Deletion with `Foreground`: first all blocking dependents, then the object. With `Orphan`: the dependents are
  released.
- A namespaced owner counts only for dependents of its namespace. A reference to it from another namespace names no
  object; one from a cluster-scoped object cannot be resolved, and the object is kept.
- Cycles of owners that wait for one another are broken: no object waits for a dependent that waits for the object.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from fairlead.api.meta.types import Object, ObjectMeta, OwnerReference
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.plan import NOTHING, Delete, EventRecord, Patch, Plan, Propagation

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Item:
    """One object of any kind."""

    kind: Kind[Any]
    obj: Object

    @property
    def meta(self) -> ObjectMeta:
        return self.obj.metadata


def reconcile(
    item: Item,
    owners: Mapping[str, ObjectMeta | None],
    dependents: Sequence[Item],
    *,
    circular: Collection[str] = frozenset(),
) -> Plan:
    """Returns the plan for one object. `owners`: the owners by uid; None for one that is known not to exist. An owner
    missing in the mapping is unknown, and its reference is kept. `circular`: uids of dependents that wait for the item
    (`waiting_for`)."""
    if item.meta.deletionTimestamp:
        return _while_deleting(item, [d for d in dependents if d.meta.uid not in circular])
    references = item.meta.ownerReferences
    gone = [ref for ref in references if ref.uid in owners and owners[ref.uid] is None]
    leaving = [ref for ref in references if _is_leaving(owners.get(ref.uid))]
    solid = [ref for ref in references if ref not in gone and ref not in leaving]
    if not (gone or leaving):
        return NOTHING
    if solid:
        return Plan(patch=(_references(item, solid),))
    return Plan(delete=(Delete(item.kind, item.obj, propagation=_policy(item, leaving, dependents)),))


def is_named_by(owner: Item, ref: OwnerReference, dependent: Item) -> bool:
    """Returns whether the reference, by all its fields, names this owner. The uid alone may be that of an object with
    another name, of another kind, or in another namespace."""
    group = ref.apiVersion.rpartition("/")[0]
    same_object = (owner.kind.group, owner.kind.kind, owner.meta.name) == (group, ref.kind, ref.name)
    return same_object and not is_misplaced(owner, dependent)


def is_misplaced(owner: Item, dependent: Item) -> bool:
    return owner.kind.namespaced and owner.meta.namespace != dependent.meta.namespace


def misplaced_warning(dependent: Item, ref: OwnerReference) -> EventRecord:
    namespace = dependent.meta.namespace
    owner = f"[{ref.apiVersion}/{ref.kind}, namespace: {namespace}, name: {ref.name}, uid: {ref.uid}]"
    text = f'ownerRef {owner} does not exist in namespace "{namespace}"'
    return EventRecord(dependent.obj, "OwnerRefInvalidNamespace", text, "Warning")


def _while_deleting(item: Item, dependents: Sequence[Item]) -> Plan:
    if ORPHAN in item.meta.finalizers:
        dependents_left = [d for d in dependents if not d.meta.deletionTimestamp]
        released = tuple(
            _references(d, [ref for ref in d.meta.ownerReferences if ref.uid != item.meta.uid]) for d in dependents_left
        )
        return Plan(patch=released or (_finalizers(item, ORPHAN),))
    if FOREGROUND in item.meta.finalizers:
        blocking = [d for d in dependents if _blocks(d, item)]
        if not blocking:
            return Plan(patch=(_finalizers(item, FOREGROUND),))
    return NOTHING


def waiting_for(item: Item, dependents_of: Callable[[Item], Sequence[Item]]) -> set[str]:
    """Returns the uids of the dependents that wait for the item, directly or through other objects."""
    if not _is_leaving(item.meta):
        return set()
    return {d.meta.uid for d in dependents_of(item) if _waits(d, item.meta.uid, dependents_of)}


def _waits(start: Item, uid: str, dependents_of: Callable[[Item], Sequence[Item]]) -> bool:
    """Returns whether the start waits for the object: follows the blocking dependents of each object."""
    seen: set[str] = set()
    left = [start]
    while left:
        item = left.pop()
        if item.meta.uid in seen or not _is_leaving(item.meta):
            continue
        seen.add(item.meta.uid)
        blocking = [d for d in dependents_of(item) if _blocks(d, item)]
        if any(d.meta.uid == uid for d in blocking):
            return True
        left += blocking
    return False


def _policy(item: Item, leaving: Sequence[OwnerReference], dependents: Sequence[Item]) -> Propagation:
    if leaving and dependents:
        return "Foreground"
    if ORPHAN in item.meta.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in item.meta.finalizers else "Background"


def _is_leaving(owner: ObjectMeta | None) -> bool:
    """Returns whether the owner is deleted in the foreground, and so waits for its dependents."""
    return owner is not None and bool(owner.deletionTimestamp) and FOREGROUND in owner.finalizers


def _blocks(dependent: Item, owner: Item) -> bool:
    return any(ref.uid == owner.meta.uid and ref.blockOwnerDeletion for ref in dependent.meta.ownerReferences)


def _references(item: Item, references: Sequence[OwnerReference]) -> Patch:
    return _patch(item, {"ownerReferences": [msgspec.to_builtins(ref) for ref in references] or None})


def _finalizers(item: Item, without: str) -> Patch:
    return _patch(item, {"finalizers": [name for name in item.meta.finalizers if name != without] or None})


def _patch(item: Item, fields: Mapping[str, Any]) -> Patch:
    meta = item.meta
    guard = {"uid": meta.uid, "resourceVersion": meta.resourceVersion}
    return Patch(item.kind, meta.name, meta.namespace, {"metadata": {**guard, **fields}})
