"""Decides for a ReplicationController like for a ReplicaSet of the same contents; events and owner references name the
ReplicationController."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.api.apps.replicaset.kind import ReplicaSet, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.replicationcontroller.kind import (
    REPLICATION_CONTROLLER,
    ReplicationController,
    ReplicationControllerCondition,
    ReplicationControllerStatus,
)
from fairlead.api.meta.types import LabelSelector
from fairlead.base.instant import Instant
from fairlead.controllers.workloads.replicaset import plan as replicaset
from fairlead.controllers.workloads.replicaset.plan import Failure
from fairlead.runtime.plan import Plan, Update

_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")


def reconcile(
    rc: ReplicationController, pods: Sequence[Pod], related: Sequence[Pod], *, failure: Failure | None, now: Instant
) -> Plan:
    """Returns the plan for the controller. `pods`: all that it owns, and all in its namespace without an owner.
    `related`: all pods that it owns."""
    view = _as_replica_set(rc)
    plan = replicaset.reconcile(view, pods, related, failure=failure, now=now, kind=REPLICATION_CONTROLLER)
    return Plan(
        create=plan.create,
        delete=plan.delete,
        patch=plan.patch,
        status=_updates(rc, plan.status),
        status_if_refused=_updates(rc, plan.status_if_refused),
        retry_after=plan.retry_after,
    )


def _updates(rc: ReplicationController, updates: Sequence[Update]) -> tuple[Update, ...]:
    status = [_status(u.obj.status) for u in updates if isinstance(u.obj, ReplicaSet)]
    return tuple(
        Update(REPLICATION_CONTROLLER, msgspec.structs.replace(rc, status=new), "status")
        for new in status
        if new != rc.status
    )


def _as_replica_set(rc: ReplicationController) -> ReplicaSet:
    spec, status = rc.spec, rc.status
    return ReplicaSet(
        kind=REPLICATION_CONTROLLER.kind,
        apiVersion=REPLICATION_CONTROLLER.api_version,
        metadata=rc.metadata,
        spec=ReplicaSetSpec(
            selector=LabelSelector(matchLabels=spec.selector),
            minReadySeconds=spec.minReadySeconds,
            replicas=spec.replicas,
            template=spec.template or PodTemplateSpec(),
        ),
        status=ReplicaSetStatus(
            **{name: getattr(status, name) for name in _COUNTS},
            conditions=[msgspec.convert(c, ReplicaSetCondition, from_attributes=True) for c in status.conditions],
        ),
    )


def _status(status: ReplicaSetStatus) -> ReplicationControllerStatus:
    return ReplicationControllerStatus(
        **{name: getattr(status, name) for name in _COUNTS},
        conditions=[
            msgspec.convert(c, ReplicationControllerCondition, from_attributes=True) for c in status.conditions
        ],
    )
