"""Decides the next step of a Deployment: one step at a time, each safe by itself.

The order of steps is upstream's. A step that writes the Deployment's annotations leaves its status to the next
reconcile, a moment later, because both writes carry the same resourceVersion. The annotation of the revision is written
through the `status` subresource: a change of annotations through the Deployment itself would count as a generation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec

from fairlead.api.apps.deployment.kind import DEPLOYMENT, Deployment, DeploymentStatus
from fairlead.api.apps.replicaset.kind import REPLICA_SET, ReplicaSet, ReplicaSetSpec
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.claims import claim
from fairlead.controllers.workloads.deployment import conditions as status_of
from fairlead.controllers.workloads.deployment.conditions import Conditions
from fairlead.controllers.workloads.deployment.revisions import (
    DESIRED,
    MAXIMUM,
    REVISION,
    current_set,
    revision_of_set,
    selector_with_hash,
    set_annotations,
    with_hash,
)
from fairlead.controllers.workloads.deployment.scaling import (
    Bounds,
    Sizes,
    bounds_of,
    is_scaling,
    next_size_of_new,
    scaled,
    shrink_old,
    size_of,
)
from fairlead.controllers.workloads.hashing import template_hash
from fairlead.controllers.workloads.podfacts import requirements
from fairlead.runtime.plan import NOTHING, Create, Delete, EventRecord, Patch, Plan, Update


@dataclass(frozen=True, slots=True)
class _Case:
    """One Deployment with its sets and pods, at one moment."""

    d: Deployment
    sets: Sequence[ReplicaSet]
    new: ReplicaSet | None
    old: Sequence[ReplicaSet]
    taken: frozenset[str]
    bounds: Bounds
    now: Instant

    @property
    def revision(self) -> int:
        """Returns the revision of the current template, or the one that it will get."""
        return max((revision_of_set(rs) for rs in self.old), default=0) + 1


def reconcile(d: Deployment, sets: Sequence[ReplicaSet], pods: Mapping[str, int], *, now: Instant) -> Plan:
    """Returns the plan for the Deployment. `sets`: all ReplicaSets of the namespace. `pods`: unfinished pods by the uid
    of their set."""
    selector = requirements(d.spec.selector)
    if selector is None:
        return NOTHING
    owner = controller_reference(DEPLOYMENT.api_version, DEPLOYMENT.kind, d.metadata)
    claimed = claim(REPLICA_SET, owner, sets, selector, adopt=not d.metadata.deletionTimestamp)
    if claimed.patches:
        return Plan(patch=claimed.patches)
    owned = [rs for rs in claimed.owned if not rs.metadata.deletionTimestamp]
    new = current_set(d, owned)
    old = [rs for rs in owned if rs is not new]
    taken = frozenset(rs.metadata.name for rs in sets)
    case = _Case(d, owned, new, old, taken, bounds_of(d), now)
    if d.metadata.deletionTimestamp:
        return _status_only(case)
    if d.spec.paused or is_scaling(d, owned, case.bounds):
        return _resize(case, scaled(d, case.bounds, new, old)) or _finish(case)
    if d.spec.strategy.type == "Recreate":
        return _recreate(case, pods)
    return _roll(case)


def _roll(case: _Case) -> Plan:
    if case.new is None:
        return _create_set(case)
    size = next_size_of_new(True, case.bounds, size_of(case.new), sum(map(size_of, case.sets)))
    return (
        _mark_revision(case, case.new)
        or _resize(case, {case.new.metadata.name: size})
        or _resize(case, shrink_old(case.bounds, case.new, case.old))
        or _finish(case)
    )


def _recreate(case: _Case, pods: Mapping[str, int]) -> Plan:
    down = _resize(case, {rs.metadata.name: 0 for rs in case.old if size_of(rs) > 0})
    if down:
        return down
    if any(pods.get(rs.metadata.uid) for rs in case.old):
        return _status_only(case)
    if case.new is None:
        return _create_set(case)
    return (
        _mark_revision(case, case.new) or _resize(case, {case.new.metadata.name: case.bounds.replicas}) or _finish(case)
    )


def _create_set(case: _Case) -> Plan:
    """Returns the plan to create the set of a new template. If another object has the name already, that counts as a
    collision."""
    d = case.d
    collisions = d.status.collisionCount or 0
    hash = template_hash(d.spec.template, collisions)
    name = f"{d.metadata.name}-{hash}"
    if name in case.taken:
        status = msgspec.structs.replace(d.status, collisionCount=collisions + 1)
        return Plan(status=(Update(DEPLOYMENT, msgspec.structs.replace(d, status=status), "status"),))
    size = next_size_of_new(d.spec.strategy.type != "Recreate", case.bounds, 0, sum(map(size_of, case.sets)))
    annotations = set_annotations(d, {}, case.revision) | _size_annotations(case.bounds)
    template = with_hash(d.spec.template, hash)
    made = ReplicaSet(
        kind=REPLICA_SET.kind,
        apiVersion=REPLICA_SET.api_version,
        metadata=ObjectMeta(
            name=name,
            namespace=d.metadata.namespace,
            labels=template.metadata.labels,
            annotations=annotations,
            ownerReferences=[controller_reference(DEPLOYMENT.api_version, DEPLOYMENT.kind, d.metadata)],
        ),
        spec=ReplicaSetSpec(
            replicas=size,
            minReadySeconds=d.spec.minReadySeconds,
            selector=selector_with_hash(d.spec.selector, hash),
            template=template,
        ),
    )
    note = EventRecord(d, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}") if size else None
    failed = EventRecord(d, "ReplicaSetCreateError", f'Failed to create new replica set "{name}": {{error}}', "Warning")
    return Plan(
        create=(Create(REPLICA_SET, made, note, failed),),
        patch=_deployment_revision(d, annotations[REVISION]),
    )


def _mark_revision(case: _Case, new: ReplicaSet) -> Plan:
    """Returns the plan that copies the Deployment's annotations and revision to and from the current set."""
    annotations = set_annotations(case.d, new.metadata.annotations, case.revision)
    patch = _deployment_revision(case.d, annotations.get(REVISION, ""))
    ready = case.d.spec.minReadySeconds
    if annotations == new.metadata.annotations and ready == new.spec.minReadySeconds:
        return Plan(patch=patch)
    meta = msgspec.structs.replace(new.metadata, annotations=annotations)
    spec = msgspec.structs.replace(new.spec, minReadySeconds=ready)
    return Plan(update=(Update(REPLICA_SET, msgspec.structs.replace(new, metadata=meta, spec=spec)),), patch=patch)


def _deployment_revision(d: Deployment, revision: str) -> tuple[Patch, ...]:
    if d.metadata.annotations.get(REVISION, "") == revision:
        return ()
    body = {"metadata": {"annotations": {REVISION: revision}}}
    return (Patch(DEPLOYMENT, d.metadata.name, d.metadata.namespace, body, "status"),)


def _resize(case: _Case, sizes: Sizes) -> Plan:
    """Returns the plan that resizes sets and records in them the Deployment's size."""
    recorded = _size_annotations(case.bounds)
    updates = []
    for rs in sorted(case.sets, key=lambda s: s.metadata.name):
        size = sizes.get(rs.metadata.name, size_of(rs))
        is_recorded = recorded.items() <= rs.metadata.annotations.items()
        if size == size_of(rs) and (is_recorded or size == 0):
            continue
        meta = msgspec.structs.replace(rs.metadata, annotations=rs.metadata.annotations | recorded)
        spec = msgspec.structs.replace(rs.spec, replicas=size)
        obj = msgspec.structs.replace(rs, metadata=meta, spec=spec)
        updates.append(Update(REPLICA_SET, obj, done=_scaling_event(case.d, rs, size)))
    return Plan(update=tuple(updates))


def _scaling_event(d: Deployment, rs: ReplicaSet, size: int) -> EventRecord | None:
    if size == size_of(rs):
        return None
    way = "up" if size > size_of(rs) else "down"
    text = f"Scaled {way} replica set {rs.metadata.name} from {size_of(rs)} to {size}"
    return EventRecord(d, "ScalingReplicaSet", text)


def _size_annotations(bounds: Bounds) -> dict[str, str]:
    return {DESIRED: str(bounds.replicas), MAXIMUM: str(bounds.most)}


def _finish(case: _Case) -> Plan:
    """Returns the plan if no set has to be scaled: writes the status, and deletes sets beyond the history limit."""
    plan = _status_only(case)
    status = status_of.counters(case.d, case.sets, case.new, collisions=case.d.status.collisionCount)
    if not case.d.spec.paused and not status_of.is_complete(case.d, status):
        return plan
    return dataclasses.replace(plan, delete=_outdated(case))


def _outdated(case: _Case) -> tuple[Delete, ...]:
    limit = case.d.spec.revisionHistoryLimit
    if limit is None:
        return ()
    surplus = len(case.old) - limit
    ordered = sorted(case.old, key=lambda rs: (revision_of_set(rs), rs.metadata.name))
    return tuple(Delete(REPLICA_SET, rs) for rs in ordered[: max(0, surplus)] if _is_idle(rs))


def _is_idle(rs: ReplicaSet) -> bool:
    seen = rs.status.observedGeneration >= rs.metadata.generation
    return seen and size_of(rs) == 0 and rs.status.replicas == 0


def _status_only(case: _Case) -> Plan:
    d = case.d
    status = status_of.counters(d, case.sets, case.new, collisions=d.status.collisionCount)
    conditions = Conditions(d.status.conditions, case.now)
    status_of.set_paused(conditions, d)
    status_of.set_available(conditions, d, status)
    if not d.spec.paused and not d.metadata.deletionTimestamp:
        status_of.set_progressing(conditions, d, status, case.new, case.now)
    status_of.set_failure(conditions, [*([case.new] if case.new else []), *case.old])
    status.conditions = conditions.list()
    return Plan(
        status=_status_update(d, status), retry_after=status_of.seconds_to_deadline(conditions, d, status, case.now)
    )


def _status_update(d: Deployment, status: DeploymentStatus) -> tuple[Update, ...]:
    if status == d.status:
        return ()
    return (Update(DEPLOYMENT, msgspec.structs.replace(d, status=status), "status"),)
