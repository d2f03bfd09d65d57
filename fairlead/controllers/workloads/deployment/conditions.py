"""The status of a Deployment: counters, and the conditions that `kubectl rollout status` waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fairlead.api.apps.deployment.kind import Deployment, DeploymentCondition, DeploymentStatus
from fairlead.api.apps.replicaset.kind import ReplicaSet
from fairlead.base.instant import Instant, parse_time, render_time
from fairlead.controllers.workloads.deployment.scaling import bounds_of, size_of

ConditionStatus = Literal["True", "False", "Unknown"]

_DONE = "NewReplicaSetAvailable"
_TIMED_OUT = "ProgressDeadlineExceeded"
_NO_DEADLINE = 2**31 - 1


class Conditions:
    """A Deployment's conditions during their computation: times change only as upstream changes them."""

    def __init__(self, old: Sequence[DeploymentCondition], now: Instant) -> None:
        self._conditions = {c.type: c for c in old}
        self._now = render_time(now)

    def get(self, type: str) -> DeploymentCondition | None:
        return self._conditions.get(type)

    def set(self, type: str, status: ConditionStatus, reason: str, message: str, *, touch: bool = False) -> None:
        """Sets a condition. If status and reason are unchanged, the condition stays, unless `touch` asks for a new
        update time."""
        old = self._conditions.get(type)
        if old is not None and old.status == status and old.reason == reason and not touch:
            return
        since = old.lastTransitionTime if old is not None and old.status == status else self._now
        self._conditions.pop(type, None)
        self._conditions[type] = DeploymentCondition(
            type=type,
            status=status,
            reason=reason,
            message=message,
            lastUpdateTime=self._now,
            lastTransitionTime=since,
        )

    def remove(self, type: str) -> None:
        self._conditions.pop(type, None)

    def list(self) -> list[DeploymentCondition]:
        return list(self._conditions.values())


def counters(
    d: Deployment, sets: Sequence[ReplicaSet], new: ReplicaSet | None, *, collisions: int | None
) -> DeploymentStatus:
    """Returns the status without the conditions."""
    available = sum(rs.status.availableReplicas for rs in sets)
    return DeploymentStatus(
        observedGeneration=d.metadata.generation,
        replicas=sum(rs.status.replicas for rs in sets),
        updatedReplicas=new.status.replicas if new else 0,
        readyReplicas=sum(rs.status.readyReplicas for rs in sets),
        availableReplicas=available,
        unavailableReplicas=max(0, sum(map(size_of, sets)) - available),
        terminatingReplicas=sum(rs.status.terminatingReplicas or 0 for rs in sets),
        collisionCount=collisions,
    )


def has_deadline(d: Deployment) -> bool:
    """Returns whether the rollout has a progress deadline; upstream's greatest number means none."""
    return d.spec.progressDeadlineSeconds is not None and d.spec.progressDeadlineSeconds < _NO_DEADLINE


def set_available(conditions: Conditions, d: Deployment, status: DeploymentStatus) -> None:
    if status.availableReplicas >= bounds_of(d).fewest:
        message = "Deployment has minimum availability."
        conditions.set("Available", "True", "MinimumReplicasAvailable", message)
    else:
        message = "Deployment does not have minimum availability."
        conditions.set("Available", "False", "MinimumReplicasUnavailable", message)


def set_paused(conditions: Conditions, d: Deployment) -> None:
    """Stops the clock of a paused rollout, so that the deadline cannot expire during the pause."""
    old = conditions.get("Progressing")
    if not has_deadline(d) or (old is not None and old.reason == _TIMED_OUT):
        return
    if d.spec.paused:
        if old is None or old.reason != "DeploymentPaused":
            conditions.set("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    elif old is not None and old.reason == "DeploymentPaused":
        conditions.set("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")


def set_progressing(
    conditions: Conditions, d: Deployment, status: DeploymentStatus, new: ReplicaSet | None, now: Instant
) -> None:
    """Sets `Progressing`: complete, in progress, or over the deadline."""
    if not has_deadline(d):
        conditions.remove("Progressing")
        return
    current = conditions.get("Progressing")
    if current is not None and current.reason == _DONE and status.replicas == status.updatedReplicas:
        return
    subject = f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{d.metadata.name}"'
    if is_complete(d, status):
        conditions.set("Progressing", "True", _DONE, f"{subject} has successfully progressed.")
    elif current is None:
        name = new.metadata.name if new else ""
        conditions.set("Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
    elif current.reason == _DONE or _has_progressed(d.status, status):
        conditions.set("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", touch=True)
    elif _has_timed_out(conditions, d, now):
        conditions.set("Progressing", "False", _TIMED_OUT, f"{subject} has timed out progressing.")


def set_failure(conditions: Conditions, sets: Sequence[ReplicaSet]) -> None:
    """Copies the failure to create pods from a set; `sets` with the new one first."""
    failure = next((c for rs in sets for c in rs.status.conditions if c.type == "ReplicaFailure"), None)
    if failure is None:
        conditions.remove("ReplicaFailure")
    else:
        status: ConditionStatus = "True" if failure.status == "True" else "False"
        conditions.set("ReplicaFailure", status, failure.reason, failure.message)


def is_complete(d: Deployment, status: DeploymentStatus) -> bool:
    """Returns whether all replicas are up to date and available, and the status is current."""
    replicas = bounds_of(d).replicas
    return (
        status.updatedReplicas == replicas
        and status.replicas == replicas
        and status.availableReplicas == replicas
        and status.observedGeneration >= d.metadata.generation
    )


def seconds_to_deadline(conditions: Conditions, d: Deployment, status: DeploymentStatus, now: Instant) -> float | None:
    """Returns the seconds until the rollout's deadline has to be checked; None without a deadline."""
    current = conditions.get("Progressing")
    if not has_deadline(d) or current is None or current.reason in (_DONE, _TIMED_OUT) or d.spec.paused:
        return None
    if is_complete(d, status):
        return None
    return max(1.0, _deadline(current, d) - now + 1.0)


def _has_progressed(old: DeploymentStatus, new: DeploymentStatus) -> bool:
    return (
        new.updatedReplicas > old.updatedReplicas
        or new.replicas - new.updatedReplicas < old.replicas - old.updatedReplicas
        or new.readyReplicas > old.readyReplicas
        or new.availableReplicas > old.availableReplicas
    )


def _has_timed_out(conditions: Conditions, d: Deployment, now: Instant) -> bool:
    current = conditions.get("Progressing")
    if current is None or current.reason == _DONE or d.spec.paused:
        return False
    return current.reason == _TIMED_OUT or _deadline(current, d) < now


def _deadline(current: DeploymentCondition, d: Deployment) -> float:
    since = parse_time(current.lastUpdateTime) if current.lastUpdateTime else Instant(0.0)
    return since + (d.spec.progressDeadlineSeconds or 0)
