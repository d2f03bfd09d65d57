"""Decides about one node that may have stopped reporting: its conditions, its taints and the pods on it.

Taints follow conditions and pods follow taints, each in a reconcile of its kind: one reconcile writes one sort of
change only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from fairlead.api.coordination.lease.kind import Lease
from fairlead.api.core.node.kind import NODE, Node, NodeCondition, Taint
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.predicates import is_finished
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import Instant, parse_time, render_time
from fairlead.base.keys import key_of
from fairlead.controllers.cluster.disruptiontarget import is_marked, marked
from fairlead.controllers.cluster.nodelifecycle.eviction import TaintKey, eviction_time
from fairlead.runtime.plan import NOTHING, Delete, EventRecord, Patch, Plan, Update

UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_PRESSURE = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_OURS = frozenset({UNREACHABLE, NOT_READY, UNSCHEDULABLE, *_PRESSURE.values()})
_WATCHED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


_EVICTION = "taint-eviction-controller"
"""The source of the Events about evictions, as upstream names it."""
_SKEW_S = 1.0
"""A time further in the future than this comes from a clock that was set back since."""


@dataclass(frozen=True, slots=True)
class Grace:
    """The silence, in seconds, after which a node is Unknown."""

    node_s: float
    start_s: float
    """The same for a node that has never reported its status."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Facts about a node that the API does not have."""

    since: Instant
    """The start of the observation: missing reports before it prove nothing."""
    taints: Mapping[TaintKey, Instant] = field(default_factory=dict)
    """The time when each taint without `timeAdded` was first seen."""
    pending: Collection[str] = ()
    """The pods, by key, that were to be evicted later at the last look."""


def reconcile(
    node: Node, lease: Lease | None, pods: Sequence[Pod], *, observed: Observed, times: Grace, now: Instant
) -> Plan:
    """Returns the plan for the node. `pods` are those bound to it."""
    if node.metadata.deletionTimestamp:
        return NOTHING
    grace_s = times.node_s if _ready_status(node) else times.start_s
    heard = max(observed.since, _last_report(node, lease, now))
    silent = now - heard > grace_s
    wait = None if silent else heard + grace_s - now + 0.5
    if silent and (conditions := _unknown_conditions(node, now)) != node.status.conditions:
        status = msgspec.structs.replace(node.status, conditions=conditions)
        was_ready = _ready_status(node) == "True"
        text = f"Node {node.metadata.name} status is now: NodeNotReady"
        return Plan(
            status=(Update(NODE, msgspec.structs.replace(node, status=status), "status"),),
            events=(EventRecord(node, "NodeNotReady", text),) if was_ready else (),
        )
    taints = _taints(node, now)
    if taints != node.spec.taints:
        return Plan(patch=(_taint_patch(node, taints),), retry_after=wait)
    unready = tuple(_unready(pod, now) for pod in pods if _ready_status(node) == "Unknown" and _claims_ready(pod))
    evictions = [
        (pod, eviction_time(pod, taints, observed.taints, now)) for pod in pods if not pod.metadata.deletionTimestamp
    ]
    due = [pod for pod, at in evictions if at is not None and at <= now]
    cancelled = [pod for pod, at in evictions if at is None and key_of(pod.metadata) in observed.pending]
    later = [at - now for _, at in evictions if at is not None and at > now]
    return Plan(
        update=tuple(_mark(pod, now) for pod in due if not is_marked(pod)),
        delete=tuple(_evict(pod) for pod in due if is_marked(pod)),
        status=unready,
        events=tuple(_cancelled(pod) for pod in cancelled),
        retry_after=min([*later, *([wait] if wait else [])], default=None),
    )


def registered(node: Node) -> EventRecord:
    """Returns the Event of a node that the controller has not seen before."""
    return _seen(node, "RegisteredNode", f"Registered Node {node.metadata.name} in Controller")


def removed(node: Node) -> EventRecord:
    """Returns the Event of a node that is deleted."""
    return _seen(node, "RemovingNode", f"Removing Node {node.metadata.name} from Controller")


def _seen(node: Node, reason: str, text: str) -> EventRecord:
    return EventRecord(node, reason, f"Node {node.metadata.name} event: {text}")


def _last_report(node: Node, lease: Lease | None, now: Instant) -> Instant:
    texts = [node.metadata.creationTimestamp, lease.spec.renewTime if lease else None]
    texts += [c.lastHeartbeatTime for c in node.status.conditions if c.type == "Ready" and c.status != "Unknown"]
    times = (parse_time(text) for text in texts if text)
    return max((time for time in times if time <= now + _SKEW_S), default=Instant(0.0))


def _ready_status(node: Node) -> str:
    """Returns the status of `Ready`; empty if the node has not reported yet."""
    return next((c.status for c in node.status.conditions if c.type == "Ready"), "")


def _unknown_conditions(node: Node, now: Instant) -> list[NodeCondition]:
    """Returns the conditions with every watched one Unknown; those that are Unknown already stay unchanged."""
    old = {c.type: c for c in node.status.conditions}
    result = []
    for condition in node.status.conditions:
        if condition.type not in _WATCHED or condition.status == "Unknown":
            result.append(condition)
            continue
        result.append(
            msgspec.structs.replace(
                condition,
                status="Unknown",
                reason="NodeStatusUnknown",
                message="Kubelet stopped posting node status.",
                lastTransitionTime=render_time(now),
            )
        )
    return result + [_never_reported(node, type, now) for type in _WATCHED if type not in old]


def _never_reported(node: Node, type: str, now: Instant) -> NodeCondition:
    return NodeCondition(
        type=type,
        status="Unknown",
        reason="NodeStatusNeverUpdated",
        message="Kubelet never posted node status.",
        lastHeartbeatTime=node.metadata.creationTimestamp,
        lastTransitionTime=render_time(now),
    )


def _taints(node: Node, now: Instant) -> list[Taint]:
    """Returns the node's taints with those that the conditions require. Other taints, and the `timeAdded` of present
    ones, stay."""
    desired: list[tuple[str, str]] = []
    ready = _ready_status(node)
    if ready in ("False", "Unknown"):
        key = UNREACHABLE if ready == "Unknown" else NOT_READY
        desired += [(key, "NoSchedule"), (key, "NoExecute")]
    if node.spec.unschedulable:
        desired.append((UNSCHEDULABLE, "NoSchedule"))
    for condition in node.status.conditions:
        if condition.status == "True" and condition.type in _PRESSURE:
            desired.append((_PRESSURE[condition.type], "NoSchedule"))
    kept = [t for t in node.spec.taints if t.key not in _OURS or (t.key, t.effect) in desired]
    have = {(t.key, t.effect) for t in kept}
    added = [
        Taint(key=key, effect=effect, timeAdded=render_time(now))
        for key, effect in desired
        if (key, effect) not in have
    ]
    return kept + added


def _taint_patch(node: Node, taints: Sequence[Taint]) -> Patch:
    meta = {"resourceVersion": node.metadata.resourceVersion}
    spec = {"taints": [msgspec.to_builtins(taint) for taint in taints] or None}
    return Patch(NODE, node.metadata.name, "", {"metadata": meta, "spec": spec})


def _claims_ready(pod: Pod) -> bool:
    return not is_finished(pod) and any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def _unready(pod: Pod, now: Instant) -> Update:
    """Returns the write that makes a pod not ready. The condition keeps its reason, as upstream's does: the event
    says why."""
    conditions = [
        msgspec.structs.replace(c, status="False", lastTransitionTime=render_time(now)) if c.type == "Ready" else c
        for c in pod.status.conditions
    ]
    status = msgspec.structs.replace(pod.status, conditions=conditions)
    note = EventRecord(pod, "NodeNotReady", "Node is not ready", "Warning")
    return Update(POD, msgspec.structs.replace(pod, status=status), "status", done=note)


def _mark(pod: Pod, now: Instant) -> Update:
    """Marks a pod that is due; the change of the pod leads to another reconcile, which deletes it."""
    text = "Taint manager: deleting due to NoExecute taint"
    return Update(POD, marked(pod, "DeletionByTaintManager", text, now), "status")


def _cancelled(pod: Pod) -> EventRecord:
    return _eviction_event(pod, f"Cancelling deletion of Pod {key_of(pod.metadata)}")


def _evict(pod: Pod) -> Delete:
    return Delete(POD, pod, done=_eviction_event(pod, f"Marking for deletion Pod {key_of(pod.metadata)}"))


def _eviction_event(pod: Pod, message: str) -> EventRecord:
    return EventRecord(pod, "TaintManagerEviction", message, component=_EVICTION)
