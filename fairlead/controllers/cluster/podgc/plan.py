"""Decides whether one pod must be deleted because its node does not exist."""

from __future__ import annotations

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.instant import Instant
from fairlead.runtime.plan import NOTHING, Delete, EventRecord, Plan


def reconcile(pod: Pod, node_gone_since: Instant | None, *, grace_s: float, now: Instant) -> Plan:
    """Returns the plan for the pod. `node_gone_since`: the time since which the pod's node is missing; None if it
    exists."""
    if not pod.spec.nodeName:
        orphaned = bool(pod.metadata.deletionTimestamp) and not pod.metadata.finalizers
        return Plan(delete=(Delete(POD, pod, grace_period_seconds=0),)) if orphaned else NOTHING
    if node_gone_since is None:
        return NOTHING
    left = node_gone_since + grace_s - now
    if left > 0:
        return Plan(retry_after=left + 0.1)
    text = f"Pod garbage collection: node {pod.spec.nodeName} no longer exists"
    return Plan(delete=(Delete(POD, pod, grace_period_seconds=0, done=EventRecord(pod, "NodeGone", text)),))
