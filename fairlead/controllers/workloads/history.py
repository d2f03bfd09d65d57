"""The history of a set's pod template: a ControllerRevision for each version, in the form in which `kubectl rollout`
reads them. A revision's data is a strategic merge patch that restores the template.

The current revision is found by comparing templates, so a change of the hash never starts a rollout.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from fairlead.api.apps.controllerrevision import CONTROLLER_REVISION
from fairlead.api.apps.controllerrevision.kind import ControllerRevision
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import default_pod_spec
from fairlead.api.meta.types import Object, ObjectMeta, OwnerReference
from fairlead.base.dataclass import dataclass
from fairlead.controllers.workloads.hashing import template_hash
from fairlead.machinery.kinds.decode import to_tree
from fairlead.runtime.plan import NOTHING, Create, Delete, Plan, Update

HASH_LABEL = "controller-revision-hash"
"""Label of Pods, and of the revisions of DaemonSets."""
STATEFUL_HASH_LABEL = "controller.kubernetes.io/hash"
"""Label of the revisions of StatefulSets."""
_LONGEST_PREFIX = 223


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of new revisions."""

    taken: Collection[str]
    """The names of all revisions of the namespace."""
    collisions: int
    """The set's count of hashes that were in use for another template."""
    label: str = HASH_LABEL
    """The label of a revision that holds its hash."""


@dataclass(frozen=True, slots=True)
class History:
    """The revisions of one set. If `plan` has writes, they come before anything else."""

    current: ControllerRevision | None
    """The revision of the set's template."""
    old: tuple[ControllerRevision, ...] = ()
    """The other revisions, the oldest first."""
    duplicates: tuple[ControllerRevision, ...] = ()
    """Further revisions of the set's template, made by other writers."""
    plan: Plan = NOTHING
    collides: bool = False
    """True if the name for a new revision is in use for another template."""


def history_of(
    obj: Object,
    template: PodTemplateSpec,
    owner: OwnerReference,
    owned: Sequence[ControllerRevision],
    naming: Naming,
) -> History:
    """Returns the history of a set. `owned`: its revisions."""
    ordered = sorted(owned, key=_by_revision)
    same = [revision for revision in ordered if has_template(revision, template)]
    old = tuple(revision for revision in ordered if revision not in same)
    number = max((revision.revision for revision in old), default=0) + 1
    if not same:
        created = _revision(obj, template, owner, number, naming)
        if created.metadata.name in naming.taken:
            return History(None, old, collides=True)
        return History(None, old, plan=Plan(create=(Create(CONTROLLER_REVISION, created),)))
    current = same[-1]
    plan = NOTHING
    if current.revision < number:
        plan = Plan(update=(Update(CONTROLLER_REVISION, msgspec.structs.replace(current, revision=number)),))
    return History(current, old, tuple(same[:-1]), plan)


def surplus(old: Sequence[ControllerRevision], live: Collection[str], limit: int | None) -> tuple[Delete, ...]:
    """Returns the deletions of old revisions above the limit, the oldest first. Revisions whose name is in `live` stay
    and do not count; a negative limit keeps all."""
    unused = [revision for revision in old if revision.metadata.name not in live]
    if limit is None or limit < 0:
        return ()
    return tuple(Delete(CONTROLLER_REVISION, revision) for revision in unused[: max(0, len(unused) - limit)])


def hash_of(revision: ControllerRevision) -> str:
    """Returns the hash in the revision's label; its name if another writer set none."""
    return revision.metadata.labels.get(HASH_LABEL) or revision.metadata.name


def has_template(revision: ControllerRevision, template: PodTemplateSpec) -> bool:
    """Returns whether the revision restores the template. Defaults of fields that were added later do not count as a
    difference."""
    return _stored(revision) == to_tree(template) or template_of(revision) == template


def template_of(revision: ControllerRevision) -> PodTemplateSpec | None:
    """Returns the template that the revision restores; None if its data has another form."""
    try:
        template = msgspec.convert(_stored(revision), PodTemplateSpec)
    except msgspec.ValidationError:
        return None
    default_pod_spec(template.spec)
    return template


def _stored(revision: ControllerRevision) -> Any:
    data = revision.data
    spec = data.get("spec") if isinstance(data, dict) else None
    template = spec.get("template") if isinstance(spec, dict) else None
    return {key: value for key, value in template.items() if key != "$patch"} if isinstance(template, dict) else None


def _revision(
    obj: Object, template: PodTemplateSpec, owner: OwnerReference, number: int, naming: Naming
) -> ControllerRevision:
    hash = template_hash(template, naming.collisions)
    meta = ObjectMeta(
        name=f"{obj.metadata.name[:_LONGEST_PREFIX]}-{hash}",
        namespace=obj.metadata.namespace,
        labels=template.metadata.labels | {naming.label: hash},
        annotations=dict(obj.metadata.annotations),
        ownerReferences=[owner],
    )
    return ControllerRevision(
        kind=CONTROLLER_REVISION.kind,
        apiVersion=CONTROLLER_REVISION.api_version,
        metadata=meta,
        data=_ordered({"spec": {"template": to_tree(template) | {"$patch": "replace"}}}),
        revision=number,
    )


def _ordered(tree: Any) -> Any:
    """Returns the tree with sorted keys: `kubectl rollout undo` compares revisions byte by byte."""
    if isinstance(tree, dict):
        return {key: _ordered(value) for key, value in sorted(tree.items())}
    return [_ordered(item) for item in tree] if isinstance(tree, list) else tree


def _by_revision(revision: ControllerRevision) -> tuple[int, str, str]:
    return revision.revision, revision.metadata.creationTimestamp or "", revision.metadata.name
