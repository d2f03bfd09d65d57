"""Decides the next step of a StatefulSet: its history, its pods in order of their ordinals, then the rolling update.

The order of steps is upstream's. With `OrderedReady` a pod is created, deleted or updated only if the pods before it
are available, and one at a time; with `Parallel` only the rolling update goes one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from fairlead.api.apps.controllerrevision import CONTROLLER_REVISION
from fairlead.api.apps.controllerrevision.kind import ControllerRevision
from fairlead.api.apps.statefulset import STATEFUL_SET
from fairlead.api.apps.statefulset.kind import StatefulSet, StatefulSetStatus
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.predicates import is_finished
from fairlead.api.meta.types import controller_of
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import Instant
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.claims import claim
from fairlead.controllers.workloads.history import STATEFUL_HASH_LABEL, History, Naming, history_of, surplus
from fairlead.controllers.workloads.podfacts import requirements
from fairlead.controllers.workloads.statefulset.case import Case, numbered, revision_of, status_of
from fairlead.controllers.workloads.statefulset.pods import (
    NAME_LABEL,
    identity_labels,
    is_in_range,
    new_claims,
    ordinal_of,
    pod_name,
)
from fairlead.controllers.workloads.statefulset.retention import conflicting, corrected, is_stale
from fairlead.runtime.plan import NOTHING, Create, Delete, EventRecord, Patch, Plan, Update


@dataclass(slots=True)
class _Writes:
    """The writes of one step."""

    create: list[Create] = field(default_factory=list)
    delete: list[Delete] = field(default_factory=list)
    update: list[Update] = field(default_factory=list)
    patch: list[Patch] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    updated: list[Pod] = field(default_factory=list)
    """Pods that are deleted for the rolling update."""


def reconcile(
    s: StatefulSet,
    pods: Sequence[Pod],
    revisions: Sequence[ControllerRevision],
    claims: Mapping[str, PersistentVolumeClaim],
    *,
    now: Instant,
) -> Plan:
    """Returns the plan for the set. `pods`: all that the set owns, and all in its namespace without an owner.
    `revisions` and `claims`: all of its namespace, claims by name."""
    selector = requirements(s.spec.selector)
    if selector is None:
        return NOTHING
    owner = controller_reference(STATEFUL_SET.api_version, STATEFUL_SET.kind, s.metadata)
    adopt = not s.metadata.deletionTimestamp
    members = [pod for pod in pods if controller_of(pod.metadata) or ordinal_of(s, pod) is not None]
    claimed = claim(POD, owner, members, selector, adopt=adopt)
    versions = claim(CONTROLLER_REVISION, owner, revisions, selector, adopt=adopt)
    if claimed.patches or versions.patches:
        return Plan(patch=(*claimed.patches, *versions.patches))
    collisions = s.status.collisionCount or 0
    naming = Naming({revision.metadata.name for revision in revisions}, collisions, STATEFUL_HASH_LABEL)
    history = history_of(s, s.spec.template, owner, versions.owned, naming)
    if not adopt:
        return NOTHING if history.current is None else _finish(_case(s, claimed.owned, claims, history, now), _Writes())
    if history.collides:
        return Plan(status=_status_update(s, msgspec.structs.replace(s.status, collisionCount=collisions + 1)))
    if history.plan or history.current is None:
        return history.plan
    case = _case(s, claimed.owned, claims, history, now)
    writes = _Writes()
    if _keep(case, writes) and _shrink(case, writes) and s.spec.updateStrategy.type == "RollingUpdate":
        _roll(case, writes)
    return _finish(case, writes, _old_revisions(case, history))


def _case(
    s: StatefulSet,
    pods: Sequence[Pod],
    claims: Mapping[str, PersistentVolumeClaim],
    history: History,
    now: Instant,
) -> Case:
    update = history.current
    if update is None:
        raise ValueError("the set's revision is not written yet")
    named = [revision for revision in history.old if revision.metadata.name == s.status.currentRevision]
    return Case(s, numbered(s, pods), claims, named[0] if named else update, update, now)


def _finish(case: Case, writes: _Writes, old: Sequence[Delete] = ()) -> Plan:
    status = status_of(case, writes.updated)
    return Plan(
        create=tuple(writes.create),
        update=tuple(writes.update),
        delete=(*writes.delete, *old),
        patch=tuple(writes.patch),
        status=_status_update(case.s, status) if status != case.s.status else (),
        events=tuple(writes.events),
        retry_after=case.wait(),
    )


def _keep(case: Case, writes: _Writes) -> bool:
    """Creates missing pods and replaces finished ones. Returns whether later steps may go on."""
    for ordinal in case.ordinals:
        pod = case.pods.get(ordinal)
        settled = _create(case, writes, ordinal) if pod is None else _keep_one(case, writes, ordinal, pod)
        if case.ordered and not settled:
            return False
    return True


def _create(case: Case, writes: _Writes, ordinal: int) -> bool:
    """Creates the claims of a pod, and in the next step the pod, so that a refused claim leaves no pod without it."""
    name = pod_name(case.s, ordinal)
    present = [found for found in _claims(case, ordinal) if found is not None]
    if any(is_stale(case.s, found, name, "") for found in present):
        return False
    terminating = [found.metadata.name for found in present if found.metadata.deletionTimestamp]
    if terminating:
        _, failed = _events(case.s, "Create", f"Pod {name}", "successful")
        text = failed.message.replace("{error}", f"pvc {terminating[0]} is being deleted")
        writes.events.append(EventRecord(case.s, failed.reason, text, failed.type))
    elif not _create_claims(case, writes, ordinal):
        events = _events(case.s, "Create", f"Pod {name}", "successful")
        writes.create.append(Create(POD, case.made(ordinal), *events))
    return False


def _create_claims(case: Case, writes: _Writes, ordinal: int) -> bool:
    """Creates the missing claims of a pod. Returns whether there are any."""
    missing = [new for new in new_claims(case.s, ordinal) if new.metadata.name not in case.claims]
    for new in missing:
        about = f"Claim {new.metadata.name} Pod {pod_name(case.s, ordinal)}"
        failing = f"Claim {new.metadata.name} for Pod {pod_name(case.s, ordinal)}"
        events = _events(case.s, "Create", about, "success", failing)
        writes.create.append(Create(PERSISTENT_VOLUME_CLAIM, new, *events))
    return bool(missing)


def _keep_one(case: Case, writes: _Writes, ordinal: int, pod: Pod) -> bool:
    """Repairs a pod that exists. Returns whether it is available, so that the next may follow."""
    if is_finished(pod):
        if not pod.metadata.deletionTimestamp:
            writes.delete.append(_deletion(case.s, pod))
        return False
    if pod.status.phase == "Pending":
        _create_claims(case, writes, ordinal)
    if case.ordered and (pod.metadata.deletionTimestamp or not case.is_running(pod)):
        return False
    if pod.metadata.labels.get(NAME_LABEL) != pod.metadata.name:
        labels = identity_labels(pod.metadata.name, ordinal)
        writes.patch.append(Patch(POD, pod.metadata.name, pod.metadata.namespace, {"metadata": {"labels": labels}}))
    _retain(case, writes, ordinal, pod)
    return True


def _retain(case: Case, writes: _Writes, ordinal: int, pod: Pod) -> None:
    """Corrects the owner references of a pod's claims."""
    for found in _claims(case, ordinal):
        if found is None:
            continue
        owners = corrected(case.s, found, pod, in_range=is_in_range(case.s, ordinal))
        if owners is None:
            continue
        if conflicting(case.s, found, pod):
            # The words are upstream's, with its mistake.
            text = (
                f"PersistentVolumeClaim {found.metadata.name} has a conflicting OwnerReference that acts as a manging "
                "controller, the retention policy is ignored for this claim"
            )
            writes.events.append(EventRecord(case.s, "ConflictingController", text, "Warning"))
        meta = msgspec.structs.replace(found.metadata, ownerReferences=owners)
        writes.update.append(Update(PERSISTENT_VOLUME_CLAIM, msgspec.structs.replace(found, metadata=meta)))


def _claims(case: Case, ordinal: int) -> list[PersistentVolumeClaim | None]:
    return [case.claims.get(new.metadata.name) for new in new_claims(case.s, ordinal)]


def _shrink(case: Case, writes: _Writes) -> bool:
    """Deletes surplus pods, the highest ordinal first. Returns whether later steps may go on."""
    for ordinal in case.surplus:
        _retain(case, writes, ordinal, case.pods[ordinal])
    if writes.update and case.surplus:
        return False  # A claim's owner is written before the pod goes, or the claim would stay.
    first = case.first_unavailable()
    for ordinal in case.surplus:
        pod = case.pods[ordinal]
        if case.ordered and (pod.metadata.deletionTimestamp or (not case.is_running(pod) and ordinal != first)):
            return False
        if not pod.metadata.deletionTimestamp:
            writes.delete.append(_deletion(case.s, pod))
            if case.ordered:
                return False
    return True


def _roll(case: Case, writes: _Writes) -> None:
    """Deletes the pod with the highest ordinal that is not updated, once all above it are updated and available."""
    for ordinal in reversed(case.ordinals[case.partition :]):
        pod = case.pods.get(ordinal)
        if pod is not None and not pod.metadata.deletionTimestamp and revision_of(pod) != case.update.metadata.name:
            if not is_finished(pod):  # else it is deleted already
                writes.delete.append(_deletion(case.s, pod))
            writes.updated.append(pod)
            return
        if case.is_unavailable(pod):
            return


def _deletion(s: StatefulSet, pod: Pod) -> Delete:
    done, failed = _events(s, "Delete", f"Pod {pod.metadata.name}", "successful")
    return Delete(POD, pod, done=done, failed=failed)


def _events(s: StatefulSet, verb: str, about: str, end: str, failing: str = "") -> tuple[EventRecord, EventRecord]:
    where = f"in StatefulSet {s.metadata.name}"
    done = EventRecord(s, f"Successful{verb}", f"{verb} {about} {where} {end}")
    failed = EventRecord(s, f"Failed{verb}", f"{verb} {failing or about} {where} failed error: {{error}}", "Warning")
    return done, failed


def _old_revisions(case: Case, history: History) -> tuple[Delete, ...]:
    live = {case.current.metadata.name, case.update.metadata.name, *map(revision_of, case.pods.values())}
    return surplus((*history.old, *history.duplicates), live, case.s.spec.revisionHistoryLimit)


def _status_update(s: StatefulSet, status: StatefulSetStatus) -> tuple[Update, ...]:
    return (Update(STATEFUL_SET, msgspec.structs.replace(s, status=status), "status"),)
