"""Decides the next step of a Job.

The status holds what the caches show, never what a plan is about to do: a reconcile that creates or removes pods is
followed by another, which sees the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from fairlead.api.batch.job import JOB
from fairlead.api.batch.job.status import JobCondition, JobStatus
from fairlead.api.batch.job.types import Job
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import controller_of
from fairlead.base.instant import Instant
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.claims import claim
from fairlead.controllers.workloads.job.backoff import Outcome
from fairlead.controllers.workloads.job.case import Case
from fairlead.controllers.workloads.job.conditions import FAILED, finished_condition
from fairlead.controllers.workloads.job.counting import is_stored, next_status, releasable
from fairlead.controllers.workloads.job.managing import Change, change_of
from fairlead.controllers.workloads.job.pods import TRACKING, is_tracked, pod_for, release
from fairlead.controllers.workloads.job.verdict import completed, deadline_of, verdict_of
from fairlead.controllers.workloads.podfacts import requirements
from fairlead.runtime.plan import NOTHING, Create, Delete, EventRecord, Patch, Plan, Update

CONTROLLER_NAME = "kubernetes.io/job-controller"


def reconcile(job: Job, pods: Sequence[Pod], *, outcomes: Mapping[str, Outcome], now: Instant) -> Plan:
    """Returns the plan for the Job. `pods`: all that the Job owns, and all in its namespace without an owner.
    `outcomes`: the ends of its pods that have been seen, also of pods that exist no longer."""
    selector = requirements(job.spec.selector)
    if selector is None or is_foreign(job) or finished_condition(job):
        return NOTHING
    owner = controller_reference(JOB.api_version, JOB.kind, job.metadata)
    claimed = claim(POD, owner, pods, selector, adopt=not job.metadata.deletionTimestamp)
    if claimed.patches:
        by_name = {pod.metadata.name: pod for pod in pods}
        return Plan(patch=tuple(_with_tracking(patch, by_name[patch.name]) for patch in claimed.patches))
    case = Case(job, claimed.owned, now)
    verdict = verdict_of(case)
    change = Change()
    if verdict is not None:
        # Stored first: after a conflict or a kill, pods that the controller deleted would count as failures.
        change = Change(remove=tuple(case.active) if is_stored(case, verdict) else ())
    elif not job.metadata.deletionTimestamp:
        change = change_of(case, outcomes)
    if verdict is None and not change.remove:
        verdict = completed(case)
    return _plan(case, verdict, change)


def orphaned(pod: Pod, job: Job | None) -> Plan:
    """Returns the removal of the tracking finalizer from a pod that no unfinished Job counts. `job`: the pod's owner
    by uid, if it exists."""
    owner = controller_of(pod.metadata)
    is_jobs = owner is None or (owner.kind == JOB.kind and owner.apiVersion == JOB.api_version)
    if not is_tracked(pod) or not is_jobs:
        return NOTHING
    if job is not None and (is_foreign(job) or not finished_condition(job)):
        return NOTHING
    return Plan(patch=(release(pod),))


def is_foreign(job: Job) -> bool:
    """Returns whether another controller acts on the Job."""
    return job.spec.managedBy not in (None, CONTROLLER_NAME)


def _with_tracking(patch: Patch, pod: Pod) -> Patch:
    """Returns the change of owner together with the tracking finalizer: added at adoption, removed at release."""
    meta = dict(patch.patch["metadata"])
    finalizers = [name for name in pod.metadata.finalizers if name != TRACKING]
    meta["finalizers"] = [*finalizers, TRACKING] if controller_of(pod.metadata) is None else finalizers
    return Patch(patch.kind, patch.name, patch.namespace, {"metadata": meta})


def _plan(case: Case, verdict: JobCondition | None, change: Change) -> Plan:
    job = case.job
    ends = verdict is not None
    status = next_status(case, verdict, managed=not ends and not job.metadata.deletionTimestamp)
    # A pod that is removed while the Job goes on is not counted: its finalizer goes first.
    let_go = [] if ends else [pod for pod in change.remove if is_tracked(pod)]
    delete = [pod for pod in change.remove if ends or not is_tracked(pod)]
    # The deletion changes the pod, so a write of its finalizers in the same plan would be a conflict.
    deleted = {pod.metadata.uid for pod in delete}
    released = [pod for pod in releasable(case, verdict) if pod.metadata.uid not in deleted]
    waits = [change.not_before, deadline_of(case) if not ends else None]
    return Plan(
        create=tuple(_creation(case, index) for index in change.create),
        delete=tuple(_deletion(job, pod) for pod in delete),
        patch=tuple(release(pod) for pod in (*released, *let_go)),
        status=(_status_update(job, status),) if status != job.status else (),
        events=_surplus_event(job, status),
        retry_after=min((at - case.now for at in waits if at is not None and at > case.now), default=None),
    )


def _creation(case: Case, index: int | None) -> Create:
    replaced = case.awaiting_replacement.get(index) if index is not None else None
    made = EventRecord(case.job, "SuccessfulCreate", "Created pod: {name}")
    failed = EventRecord(case.job, "FailedCreate", "Error creating: {error}", "Warning")
    return Create(POD, pod_for(case.job, index, replaced), made, failed)


def _deletion(job: Job, pod: Pod) -> Delete:
    gone = EventRecord(job, "SuccessfulDelete", "Deleted pod: {name}")
    failed = EventRecord(job, "FailedDelete", "Error deleting: {error}", "Warning")
    return Delete(POD, pod, done=gone, failed=failed)


def _status_update(job: Job, status: JobStatus) -> Update:
    new = msgspec.structs.replace(job, status=status)
    return Update(JOB, new, "status", done=_event(job, new))


def _event(old: Job, new: Job) -> EventRecord | None:
    """Returns the event of a status that ends, suspends or resumes the Job."""
    last = finished_condition(new)
    if last is not None:
        if last.type == FAILED:
            return EventRecord(new, last.reason, last.message, "Warning")
        return EventRecord(new, "Completed", "Job completed")
    before, after = (next((c for c in j.status.conditions if c.type == "Suspended"), None) for j in (old, new))
    if after is None or before == after:
        return None
    return EventRecord(new, "Suspended" if after.status == "True" else "Resumed", after.message)


def _surplus_event(job: Job, status: JobStatus) -> tuple[EventRecord, ...]:
    completions = job.spec.completions
    if status.completionTime is None or completions is None or status.succeeded <= completions:
        return ()
    text = "Too many succeeded pods running after completion count reached"
    return (EventRecord(job, "TooManySucceededPods", text, "Warning"),)
