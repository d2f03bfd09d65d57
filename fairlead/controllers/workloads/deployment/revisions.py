"""Names, revision numbers and identity of a Deployment's ReplicaSets.

The template's hash only makes names; the current set is found by comparing templates, so a change of the hash never
starts a rollout.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.api.apps.deployment.kind import Deployment
from fairlead.api.apps.replicaset.kind import ReplicaSet
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.meta.types import Labels, LabelSelector, ObjectMeta
from fairlead.base.numbers import natural

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        HISTORY,
        DESIRED,
        MAXIMUM,
    }
)
_HISTORY_LENGTH = 2000


def current_set(d: Deployment, sets: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """Returns the set that has the Deployment's template; the oldest if there are several."""
    template = _plain(d.spec.template)
    matching = [rs for rs in sets if _plain(rs.spec.template) == template]
    return min(matching, key=by_age, default=None)


def by_age(rs: ReplicaSet) -> tuple[str, str]:
    """Returns the sort key for sets, oldest first; the name decides if creation times are equal."""
    return rs.metadata.creationTimestamp or "", rs.metadata.name


def revision_of_set(rs: ReplicaSet) -> int:
    """Returns the set's revision; 0 if the annotation is missing or malformed."""
    return natural(rs.metadata.annotations.get(REVISION, "")) or 0


def annotation_number(rs: ReplicaSet, name: str) -> int | None:
    """Returns the number in an annotation; None if it is missing or malformed."""
    return natural(rs.metadata.annotations.get(name, ""))


def with_hash(template: PodTemplateSpec, hash: str) -> PodTemplateSpec:
    """Returns the template with the label `pod-template-hash`."""
    labels = template.metadata.labels | {HASH_LABEL: hash}
    return msgspec.structs.replace(template, metadata=msgspec.structs.replace(template.metadata, labels=labels))


def selector_with_hash(selector: LabelSelector | None, hash: str) -> LabelSelector:
    """Returns the selector with the label `pod-template-hash` added."""
    base = selector or LabelSelector()
    return msgspec.structs.replace(base, matchLabels=base.matchLabels | {HASH_LABEL: hash})


def set_annotations(d: Deployment, old: Labels, revision: int) -> Labels:
    """Returns the annotations of the current set: those of the Deployment, its revision, and its earlier revisions."""
    copied = {key: value for key, value in d.metadata.annotations.items() if key not in _NOT_COPIED}
    annotations = old | copied
    before = old.get(REVISION, "")
    if (natural(before) or 0) < revision:
        annotations[REVISION] = str(revision)
        if before:
            history = [entry for entry in old.get(HISTORY, "").split(",") if entry]
            annotations[HISTORY] = _bounded([*history, before])
    return annotations


def _bounded(history: list[str]) -> str:
    """Returns the latest revisions that fit into the annotation."""
    while len(",".join(history)) > _HISTORY_LENGTH:
        history = history[1:]
    return ",".join(history)


def _plain(template: PodTemplateSpec) -> PodTemplateSpec:
    """Returns the template as users write it: without our label and creation time."""
    meta = template.metadata
    labels = {key: value for key, value in meta.labels.items() if key != HASH_LABEL}
    bare = ObjectMeta(labels=labels, annotations=meta.annotations, name=meta.name, finalizers=meta.finalizers)
    return msgspec.structs.replace(template, metadata=bare)
