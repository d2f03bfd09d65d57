"""Server-side apply (KEP-555): the owners of fields after each write, and the merge of an applied configuration.

Pure: JSON trees and owners in, trees and owners out. `track` serves all writes other than applies: fields that the
write changed go to its manager, fields that it removed lose their owners. `apply` merges a configuration into an
object. It removes fields that the same manager applied before and has now left out, unless another manager owns them.
It refuses to change fields of other owners unless forced.

The order of steps and the rules of ownership follow structured-merge-diff, so that its documentation applies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fairlead.base.dataclass import dataclass, replace
from fairlead.machinery.managedfields.compare import compare, fields_of
from fairlead.machinery.managedfields.fieldset import (
    Fields,
    difference,
    field_set,
    intersection,
    paths,
    show,
    union,
)
from fairlead.machinery.managedfields.managed import (
    APPLY,
    BEFORE_FIRST_APPLY,
    UPDATE,
    Managed,
    Owned,
    Owner,
    all_fields,
    capped,
    describe,
    without_empty,
)
from fairlead.machinery.managedfields.merging import merge, remove, with_named
from fairlead.machinery.managedfields.shape import Shape
from fairlead.machinery.values.status import StatusError

Tree = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CLIENT_SIDE = "kubectl"
"""The only manager whose applies read that annotation."""
_NOTHING = Owned({}, "")
_MAX_ANNOTATIONS = 256 << 10
_UNOWNED_METADATA = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
)
UNOWNED_TREE: Tree = {"apiVersion": {}, "kind": {}, "metadata": {name: {} for name in _UNOWNED_METADATA}}
UNOWNED = field_set(("apiVersion",), ("kind",), ("metadata",), *(("metadata", name) for name in _UNOWNED_METADATA))
"""Fields set by the server or by the object's address; they never have owners."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write: its endpoint, manager and time."""

    shape: Shape
    manager: str
    api_version: str
    subresource: str = ""
    time: str = ""
    ignored: Fields | None = None
    """Fields that this endpoint does not write, such as `status` for the main one."""

    def writable_part(self, tree: Tree) -> Tree:
        """Returns the tree without the fields that this endpoint ignores."""
        ignored = self.ignored
        if not ignored:
            return tree
        if any(ignored.values()):
            result: Tree = remove(tree, ignored, self.shape)
            return result
        return {name: value for name, value in tree.items() if f"f:{name}" not in ignored}


class Conflicts(Exception):
    """An apply would change fields of other owners."""

    def __init__(self, conflicts: Mapping[Owner, Fields]) -> None:
        super().__init__(describe_conflicts(conflicts))
        self.conflicts = dict(conflicts)

    def status(self) -> StatusError:
        """Returns the error: 409, with a cause for each field."""
        causes = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {describe(owner)}", "field": show(path)}
            for owner, path in _each(self.conflicts)
        ]
        return StatusError(409, "Conflict", str(self), {"causes": causes})


@dataclass(frozen=True, slots=True)
class Applied:
    """The object after an apply, and the owners of its fields."""

    tree: Tree
    managed: Managed


def track(managed: Managed, old: Tree, new: Tree, write: Write) -> Managed:
    """Returns the owners after an update of `old` to `new`."""
    return reassign(managed, *differences(write.writable_part(old), write.writable_part(new), write.shape), write)


def differences(old: Tree, new: Tree, shape: Shape) -> tuple[Fields, Fields]:
    """Returns the fields that can have owners: first the new or different ones, then the removed ones."""
    changed, removed = compare(old, new, shape)
    return difference(changed, UNOWNED), difference(removed, UNOWNED)


def reassign(managed: Managed, changed: Fields, removed: Fields, write: Write) -> Managed:
    """Returns the owners after a write: the writer alone owns the changed fields, and removed fields lose their
    owners."""
    if not changed and not removed:
        return managed
    this = Owner(UPDATE, write.manager, write.subresource, write.api_version)
    after = {
        owner: owned.losing(removed) if owner == this else owned.losing(changed).losing(removed)
        for owner, owned in managed.items()
    }
    if changed:
        before = after.get(this, _NOTHING)
        after[this] = before.gaining(changed, api_version=write.api_version, time=write.time)
    return capped(without_empty(after))


def apply(managed: Managed, live: Tree, config: Tree, write: Write, *, force: bool = False) -> Applied:
    """Returns the object and its owners after applying the configuration. Raises Conflicts."""
    if not managed and live:
        managed = track({}, {}, live, replace(write, manager=BEFORE_FIRST_APPLY))
    try:
        applied = _apply(managed, live, config, write, force=force)
    except Conflicts as conflicts:
        if write.manager != CLIENT_SIDE:
            raise
        allowed = _applied_by_client(live, write.shape)
        others = {owner: difference(fields, allowed) for owner, fields in conflicts.conflicts.items()}
        others = {owner: fields for owner, fields in others.items() if fields}
        if others:
            raise Conflicts(others) from None
        applied = _apply(managed, live, config, write, force=True)
    if write.manager == CLIENT_SIDE and not write.subresource:
        return replace(applied, tree=_renew_last_applied(applied.tree, config))
    return applied


def _apply(managed: Managed, live: Tree, config: Tree, write: Write, *, force: bool) -> Applied:
    shape, config = write.shape, write.writable_part(config)
    this = Owner(APPLY, write.manager, write.subresource, "")
    last = managed.get(this)
    desired = difference(fields_of(config, shape), UNOWNED)
    after = managed | {this: Owned(desired, write.api_version, last.time if last else "")}
    merged = merge(live, config, shape)
    if last is not None and last.fields:
        merged = _prune(merged, after, last.fields, shape)
    changed, removed = differences(live, merged, shape)
    others = {owner: owned for owner, owned in after.items() if owner != this}
    conflicts = {owner: intersection(owned.fields, changed) for owner, owned in others.items()}
    conflicts = {owner: fields for owner, fields in conflicts.items() if fields}
    if conflicts and not force:
        raise Conflicts(conflicts)
    for owner, owned in others.items():
        after[owner] = owned.losing(conflicts.get(owner, {})).losing(removed)
    if changed or removed or last is None or last.fields != desired or last.api_version != write.api_version:
        after[this] = Owned(desired, write.api_version, write.time)
    return Applied(merged, without_empty(after))


def _prune(merged: Tree, managed: Managed, last: Fields, shape: Shape) -> Tree:
    """Returns the tree without fields that this manager applied before and that are unowned now. A field that loses
    all its members is removed too. Members that the server added stay, unless the item or struct around them is
    removed."""
    before = with_named(last, shape)
    present = with_named(fields_of(merged, shape), shape)
    remaining = with_named(fields_of(remove(merged, before, shape), shape), shape)
    owned = with_named(all_fields(managed), shape)
    pruned = remove(merged, difference(present, union(remaining, owned)), shape)
    still_present = with_named(fields_of(pruned, shape), shape)
    result: Tree = remove(merged, intersection(difference(present, still_present), before), shape)
    return result


def describe_conflicts(conflicts: Mapping[Owner, Fields]) -> str:
    """Returns upstream's message about fields of other owners."""
    each = list(_each(conflicts))
    if len(each) == 1:
        owner, path = each[0]
        return f"Apply failed with 1 conflict: conflict with {describe(owner)}: {show(path)}"
    lines: list[str] = []
    for owner, fields in sorted(conflicts.items(), key=lambda pair: describe(pair[0])):
        lines.append(f"conflicts with {describe(owner)}:")
        lines += [f"- {show(path)}" for path in paths(fields)]
    return f"Apply failed with {len(each)} conflicts: " + "\n".join(lines)


def _each(conflicts: Mapping[Owner, Fields]) -> list[tuple[Owner, tuple[str, ...]]]:
    ordered = sorted(conflicts.items(), key=lambda pair: describe(pair[0]))
    return [(owner, path) for owner, fields in ordered for path in paths(fields)]


def _annotation(live: Tree) -> str:
    metadata = live.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    value = annotations.get(LAST_APPLIED) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


def _applied_by_client(live: Tree, shape: Shape) -> Fields:
    """Returns the fields that kubectl's client-side apply set and that are unchanged since: adopting them is not a
    conflict."""
    try:
        last = json.loads(_annotation(live) or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(last, dict):
        return {}
    changed, removed = compare(last, live, shape)
    return difference(difference(fields_of(last, shape), changed), removed)


def _renew_last_applied(tree: Tree, config: Tree) -> Tree:
    """Returns the tree with an up-to-date last-applied annotation, if the object has this annotation of client-side
    apply."""
    if not _annotation(tree):
        return tree
    metadata, annotations = dict(tree["metadata"]), dict(tree["metadata"]["annotations"])
    text = json.dumps(_plain_config(config), separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    annotations[LAST_APPLIED] = text
    if sum(len(name.encode()) + len(str(value).encode()) for name, value in annotations.items()) > _MAX_ANNOTATIONS:
        del annotations[LAST_APPLIED]
    metadata["annotations"] = annotations
    return tree | {"metadata": metadata}


def _plain_config(config: Tree) -> Tree:
    metadata = dict(config.get("metadata") or {})
    annotations = dict(metadata.pop("annotations", None) or {})
    annotations.pop(LAST_APPLIED, None)
    return config | {"metadata": metadata | {"annotations": annotations}}


__all__ = ["Applied", "Conflicts", "Write", "apply", "differences", "reassign", "track"]
