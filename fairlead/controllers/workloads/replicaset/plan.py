"""Decides which pods of a ReplicaSet to create or to delete.

The status has observed numbers, not planned ones. A plan that creates or deletes pods leaves the status unchanged
(unless the last plan failed, or the namespace is being deleted): the next reconcile, a moment later, sees the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.api.apps.replicaset.kind import REPLICA_SET, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.predicates import is_finished, is_ready
from fairlead.api.meta.types import ObjectMeta, OwnerReference
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.claims import claim
from fairlead.controllers.workloads.podfacts import available_from, is_active, is_available, requirements
from fairlead.controllers.workloads.ranking import pods_to_delete
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.plan import NOTHING, Create, Delete, EventRecord, Plan, Update

_BURST = 500
"""Greatest number of pods to create or delete in one reconcile."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of the last applied plan."""

    reason: str
    message: str


def reconcile(
    rs: ReplicaSet,
    pods: Sequence[Pod],
    related: Sequence[Pod],
    *,
    failure: Failure | None,
    now: Instant,
    kind: Kind[Any] = REPLICA_SET,
) -> Plan:
    """Returns the plan for the set. `pods`: all that the set owns, and all in its namespace without an owner.
    `related`: all pods of the same Deployment, for choosing which to delete. `kind` is the owner's kind in the pods'
    owner references: an older kind that behaves alike may come in the form of a ReplicaSet."""
    selector = requirements(rs.spec.selector)
    if selector is None:
        return NOTHING
    owner = controller_reference(kind.api_version, kind.kind, rs.metadata)
    candidates = [pod for pod in pods if not is_finished(pod)]
    claimed = claim(POD, owner, candidates, selector, adopt=not rs.metadata.deletionTimestamp)
    active = [pod for pod in claimed.owned if is_active(pod)]
    if claimed.patches:
        return Plan(patch=claimed.patches)
    creates, deletes = ((), ()) if rs.metadata.deletionTimestamp else _manage(rs, owner, active, related)
    status = _status(rs, claimed.owned, failure if creates or deletes else None, now)
    changed = (_status_update(rs, status),) if status != rs.status else ()
    may_write = not (creates or deletes) or failure is not None
    return Plan(
        create=creates,
        delete=deletes,
        patch=(),
        status=changed if may_write else (),
        status_if_refused=() if may_write else changed,
        retry_after=_next_available(rs, active, now),
    )


def _manage(
    rs: ReplicaSet, owner: OwnerReference, active: Sequence[Pod], related: Sequence[Pod]
) -> tuple[tuple[Create, ...], tuple[Delete, ...]]:
    replicas = 1 if rs.spec.replicas is None else rs.spec.replicas
    missing = replicas - len(active)
    if missing > 0:
        made = EventRecord(rs, "SuccessfulCreate", "Created pod: {name}")
        failed = EventRecord(rs, "FailedCreate", "Error creating: {error}", "Warning")
        return tuple(Create(POD, _pod(rs, owner), made, failed) for _ in range(min(missing, _BURST))), ()
    if missing == 0:
        return (), ()
    gone = EventRecord(rs, "SuccessfulDelete", "Deleted pod: {name}")
    failed = EventRecord(rs, "FailedDelete", "Error deleting: {error}", "Warning")
    chosen = pods_to_delete(active, min(-missing, _BURST), related=related)
    return (), tuple(Delete(POD, pod, done=gone, failed=failed) for pod in chosen)


def _pod(rs: ReplicaSet, owner: OwnerReference) -> Pod:
    template = rs.spec.template
    meta = ObjectMeta(
        generateName=f"{rs.metadata.name}-",
        namespace=rs.metadata.namespace,
        labels=template.metadata.labels,
        annotations=template.metadata.annotations,
        finalizers=template.metadata.finalizers,
        ownerReferences=[owner],
    )
    return Pod(kind=POD.kind, apiVersion=POD.api_version, metadata=meta, spec=template.spec)


def _status(rs: ReplicaSet, owned: Sequence[Pod], failure: Failure | None, now: Instant) -> ReplicaSetStatus:
    active = [pod for pod in owned if is_active(pod)]
    labels = rs.spec.template.metadata.labels.items()
    min_ready = rs.spec.minReadySeconds
    return ReplicaSetStatus(
        replicas=len(active),
        fullyLabeledReplicas=sum(labels <= pod.metadata.labels.items() for pod in active),
        readyReplicas=sum(is_ready(pod) for pod in active),
        availableReplicas=sum(is_available(pod, min_ready, now) for pod in active),
        terminatingReplicas=sum(bool(pod.metadata.deletionTimestamp) for pod in owned),
        observedGeneration=rs.metadata.generation,
        conditions=_conditions(rs, failure, now),
    )


def _conditions(rs: ReplicaSet, failure: Failure | None, now: Instant) -> list[ReplicaSetCondition]:
    kept = [c for c in rs.status.conditions if c.type != "ReplicaFailure"]
    if failure is None:
        return kept
    old = next((c for c in rs.status.conditions if c.type == "ReplicaFailure"), None)
    if old is not None and old.reason == failure.reason:
        return [*kept, old]
    return [
        *kept,
        ReplicaSetCondition(
            type="ReplicaFailure",
            status="True",
            reason=failure.reason,
            message=failure.message,
            lastTransitionTime=render_time(now),
        ),
    ]


def _status_update(rs: ReplicaSet, status: ReplicaSetStatus) -> Update:
    return Update(REPLICA_SET, msgspec.structs.replace(rs, status=status), "status")


def _next_available(rs: ReplicaSet, active: Sequence[Pod], now: Instant) -> float | None:
    """Returns the seconds until the next ready pod becomes available."""
    if not rs.spec.minReadySeconds:
        return None
    waits = [available_from(pod, rs.spec.minReadySeconds) - now for pod in active if is_ready(pod)]
    return min((wait for wait in waits if wait > 0), default=None)
