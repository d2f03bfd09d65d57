"""Decides whether one pod must be deleted because its node does not exist."""

from __future__ import annotations

import msgspec

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.predicates import is_finished
from fairlead.base.instant import Instant
from fairlead.controllers.cluster.disruptiontarget import is_marked, marked
from fairlead.runtime.plan import NOTHING, Delete, EventRecord, Patch, Plan


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
    if not (is_marked(pod) and is_finished(pod)):
        return Plan(patch=(_fail(pod, now),), retry_after=0.0)
    text = f"Pod garbage collection: node {pod.spec.nodeName} no longer exists"
    return Plan(delete=(Delete(POD, pod, grace_period_seconds=0, done=EventRecord(pod, "NodeGone", text)),))


def _fail(pod: Pod, now: Instant) -> Patch:
    """Marks the pod, and fails it unless it is finished, so that its Job counts it; its deletion follows."""
    status = marked(pod, "DeletionByPodGC", "PodGC: node no longer exists", now).status
    phase = pod.status.phase if is_finished(pod) else "Failed"
    meta = {"resourceVersion": pod.metadata.resourceVersion}
    conditions = [msgspec.to_builtins(condition) for condition in status.conditions]
    patch = {"metadata": meta, "status": {"phase": phase, "conditions": conditions}}
    return Patch(POD, pod.metadata.name, pod.metadata.namespace, patch, "status")
