"""Decides the next step of a DaemonSet: its history first, then missing and surplus pods, then the rolling update.

The order of steps is upstream's. A step that changes the history leaves the rest to the next reconcile, a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from fairlead.api.apps.controllerrevision import CONTROLLER_REVISION
from fairlead.api.apps.controllerrevision.kind import ControllerRevision
from fairlead.api.apps.daemonset import DAEMON_SET
from fairlead.api.apps.daemonset.kind import DaemonSet, DaemonSetStatus
from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.predicates import is_finished, is_ready
from fairlead.base.instant import Instant
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.claims import claim
from fairlead.controllers.workloads.daemonset.nodes import fit_of, pod_for, target_of
from fairlead.controllers.workloads.daemonset.rolling import Case, Change, by_age, excess, next_updates, surge_of
from fairlead.controllers.workloads.history import HASH_LABEL, History, Naming, hash_of, history_of, surplus
from fairlead.controllers.workloads.podfacts import available_from, requirements
from fairlead.runtime.plan import NOTHING, Create, Delete, EventRecord, Patch, Plan, Update

_BURST = 250
"""Greatest number of pods to create, and to delete, in one reconcile, as upstream."""

NotBefore = Callable[[str], Instant]
"""Returns the time before which a failed pod of a node stays, so that creation and failure do not spin."""


def reconcile(
    ds: DaemonSet,
    pods: Sequence[Pod],
    revisions: Sequence[ControllerRevision],
    nodes: Sequence[Node],
    *,
    not_before: NotBefore,
    now: Instant,
) -> Plan:
    """Returns the plan for the set. `pods`: all that the set owns, and all in its namespace without an owner.
    `revisions`: all of its namespace."""
    selector = requirements(ds.spec.selector)
    if selector is None or ds.metadata.deletionTimestamp:
        return NOTHING
    owner = controller_reference(DAEMON_SET.api_version, DAEMON_SET.kind, ds.metadata)
    claimed = claim(POD, owner, pods, selector, adopt=True)
    versions = claim(CONTROLLER_REVISION, owner, revisions, selector, adopt=True)
    if claimed.patches or versions.patches:
        return Plan(patch=(*claimed.patches, *versions.patches))
    collisions = ds.status.collisionCount or 0
    taken = {revision.metadata.name for revision in revisions}
    history = history_of(ds, ds.spec.template, owner, versions.owned, Naming(taken, collisions))
    if history.collides:
        return Plan(status=_status_update(ds, msgspec.structs.replace(ds.status, collisionCount=collisions + 1)))
    if history.plan or history.current is None:
        return history.plan
    if history.duplicates:
        return _merge(history, history.current, claimed.owned)
    return _manage(_case(ds, claimed.owned, nodes, hash_of(history.current), now), history, not_before)


def _case(ds: DaemonSet, pods: Sequence[Pod], nodes: Sequence[Node], hash: str, now: Instant) -> Case:
    fits = {node.metadata.name: fit_of(ds, node) for node in nodes}
    by_node: dict[str, list[Pod]] = {name: [] for name, fit in fits.items() if fit.should_run}
    for pod in pods:
        target = target_of(pod)
        # A finished pod that terminates only waits for a finalizer: its place is free.
        if target and not (is_finished(pod) and pod.metadata.deletionTimestamp):
            by_node.setdefault(target, []).append(pod)
    return Case(ds, by_node, fits, hash, now)


def _merge(history: History, current: ControllerRevision, pods: Sequence[Pod]) -> Plan:
    """Labels pods of duplicate revisions with the one that stays, and deletes the duplicates."""
    kept = hash_of(current)
    others = {hash_of(revision) for revision in history.duplicates}
    return Plan(
        patch=tuple(
            Patch(POD, pod.metadata.name, pod.metadata.namespace, {"metadata": {"labels": {HASH_LABEL: kept}}})
            for pod in pods
            if pod.metadata.labels.get(HASH_LABEL) in others
        ),
        delete=tuple(Delete(CONTROLLER_REVISION, revision) for revision in history.duplicates),
    )


def _manage(case: Case, history: History, not_before: NotBefore) -> Plan:
    change, events, waits = _needed(case, not_before)
    if not change and case.ds.spec.updateStrategy.type == "RollingUpdate":
        change = next_updates(case)
    status = _status(case)
    waits += [available_from(pod, case.ds.spec.minReadySeconds) for pod in _ready_pods(case)]
    return Plan(
        create=tuple(_creation(case, node) for node in change.create[:_BURST]),
        delete=(*(_deletion(case, pod) for pod in change.delete[:_BURST]), *_old_revisions(case, history)),
        status=_status_update(case.ds, status) if status != case.ds.status else (),
        events=tuple(events),
        retry_after=min((at - case.now for at in waits if at > case.now), default=None),
    )


def _needed(case: Case, not_before: NotBefore) -> tuple[Change, list[EventRecord], list[Instant]]:
    """Returns missing and surplus pods, the events about them, and the times at which failed pods are due."""
    change, events, waits = Change(), list[EventRecord](), list[Instant]()
    for node, fit in sorted(case.fits.items()):
        pods = case.pods.get(node, ())
        alive = [pod for pod in pods if not pod.metadata.deletionTimestamp]
        if not fit.may_stay:
            change.delete += alive
            continue
        for pod in (pod for pod in alive if is_finished(pod)):
            due = not_before(node) if pod.status.phase == "Failed" else case.now
            if due > case.now:
                waits.append(due)
                continue
            events.append(_finished_event(case.ds, pod, node))
            change.delete.append(pod)
        running = [pod for pod in alive if not is_finished(pod)]
        change.delete += excess(case, running)
        if fit.should_run and _is_missing(case, pods, running):
            change.create.append(node)
    change.delete += [pod for node, pods in sorted(case.pods.items()) for pod in pods if _is_lost(case, node, pod)]
    return change, events, waits


def _is_missing(case: Case, pods: Sequence[Pod], running: Sequence[Pod]) -> bool:
    """Returns whether the node needs a pod. Without surge, a terminating pod must be gone first."""
    return not (running if surge_of(case.ds, 1) else pods)


def _is_lost(case: Case, node: str, pod: Pod) -> bool:
    """Returns whether the pod waits for a node that does not exist, so that no other component deletes it."""
    return node not in case.fits and not pod.spec.nodeName and not pod.metadata.deletionTimestamp


def _finished_event(ds: DaemonSet, pod: Pod, node: str) -> EventRecord:
    where = f"daemon pod {pod.metadata.namespace}/{pod.metadata.name} on node {node}"
    if pod.status.phase == "Failed":
        return EventRecord(ds, "FailedDaemonPod", f"Found failed {where}, will try to kill it", "Warning")
    return EventRecord(ds, "SucceededDaemonPod", f"Found succeeded {where}, will try to delete it")


def _creation(case: Case, node: str) -> Create:
    made = EventRecord(case.ds, "SuccessfulCreate", "Created pod: {name}")
    failed = EventRecord(case.ds, "FailedCreate", "Error creating: {error}", "Warning")
    return Create(POD, pod_for(case.ds, node, case.hash), made, failed)


def _deletion(case: Case, pod: Pod) -> Delete:
    gone = EventRecord(case.ds, "SuccessfulDelete", "Deleted pod: {name}")
    failed = EventRecord(case.ds, "FailedDelete", "Error deleting: {error}", "Warning")
    return Delete(POD, pod, done=gone, failed=failed)


def _old_revisions(case: Case, history: History) -> tuple[Delete, ...]:
    """Returns the deletions of old revisions. Those of living pods stay, and count."""
    hashes = {pod.metadata.labels.get(HASH_LABEL) for pods in case.pods.values() for pod in pods}
    live = {revision.metadata.name for revision in history.old if hash_of(revision) in hashes}
    limit = case.ds.spec.revisionHistoryLimit
    return surplus(history.old, live, None if limit is None else max(0, limit - len(live)))


def _first_pods(case: Case) -> list[Pod]:
    """Returns the pod that counts on each node that should run one."""
    groups = [case.pods.get(name, ()) for name, fit in case.fits.items() if fit.should_run]
    return [min(pods, key=by_age) for pods in groups if pods]


def _ready_pods(case: Case) -> list[Pod]:
    """Returns the ready pods whose availability is still to come."""
    if not case.ds.spec.minReadySeconds:
        return []
    return [pod for pods in case.pods.values() for pod in pods if is_ready(pod)]


def _status(case: Case) -> DaemonSetStatus:
    first = _first_pods(case)
    available = sum(case.is_available(pod) for pod in first)
    misplaced = [name for name, fit in case.fits.items() if not fit.should_run and case.pods.get(name)]
    return DaemonSetStatus(
        currentNumberScheduled=len(first),
        desiredNumberScheduled=case.desired,
        numberMisscheduled=len(misplaced),
        numberReady=sum(is_ready(pod) for pod in first),
        numberAvailable=available,
        numberUnavailable=case.desired - available,
        updatedNumberScheduled=sum(case.is_updated(pod) for pod in first),
        observedGeneration=case.ds.metadata.generation,
        collisionCount=case.ds.status.collisionCount,
        conditions=case.ds.status.conditions,
    )


def _status_update(ds: DaemonSet, status: DaemonSetStatus) -> tuple[Update, ...]:
    return (Update(DAEMON_SET, msgspec.structs.replace(ds, status=status), "status"),)


def failed_nodes(plan: Plan) -> list[str]:
    """Returns the nodes whose failed pods the plan deletes."""
    pods = [delete.obj for delete in plan.delete if isinstance(delete.obj, Pod)]
    return [target_of(pod) for pod in pods if pod.status.phase == "Failed"]
