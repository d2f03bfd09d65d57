"""Counts the ended pods of a Job, each once, through restarts and lost answers.

What must stay true: a pod keeps its tracking finalizer until the status records its end (its uid in
`uncountedTerminatedPods`, or its index in `completedIndexes`), and its uid leaves the status only in the write that
counts it, after the finalizer is gone. So each step can be repeated, and a pod is never deleted uncounted.
"""

from __future__ import annotations

import msgspec

from fairlead.api.batch.job.status import JobCondition, JobStatus, UncountedTerminatedPods
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import is_ready
from fairlead.base.instant import render_time
from fairlead.controllers.workloads.job.case import Case
from fairlead.controllers.workloads.job.conditions import (
    COMPLETE,
    FAILED,
    FAILURE_TARGET,
    SUSPENDED,
    new_condition,
    true_condition,
    with_condition,
)
from fairlead.controllers.workloads.job.intervals import render_indexes
from fairlead.controllers.workloads.job.pods import has_failed, index_of
from fairlead.controllers.workloads.job.policies import treatment_of

_MOST_UNCOUNTED = 500
"""Keeps the uids in the status below about 20 KB, as upstream."""


def is_stored(case: Case, verdict: JobCondition) -> bool:
    """Returns whether the server has the verdict."""
    return true_condition(case.job, verdict.type) is not None


def releasable(case: Case, verdict: JobCondition | None) -> list[Pod]:
    """Returns the pods whose tracking finalizer may go now: the status in the server records them."""
    return [pod for pod in case.tracked if _may_end(case, verdict, pod) and not _record(case, verdict, pod)]


def _may_end(case: Case, verdict: JobCondition | None, pod: Pod) -> bool:
    """Returns whether the pod's part in the Job is over."""
    if case.job.metadata.deletionTimestamp or pod.status.phase == "Succeeded":
        return True
    if verdict is not None:
        return is_stored(case, verdict)
    if not has_failed(case.job, pod):
        return False
    index = index_of(case.job, pod)
    waiting = case.awaiting_replacement.get(index) if index is not None else None
    return waiting is None or waiting.metadata.uid != pod.metadata.uid


def _record(case: Case, verdict: JobCondition | None, pod: Pod) -> str:
    """Returns what the status must still record about the pod: "succeeded", "failed" or ""."""
    uid, index = pod.metadata.uid, index_of(case.job, pod)
    has_index = not case.indexed or index is not None
    if uid in case.uncounted_failed or uid in case.uncounted_succeeded or not has_index:
        return ""
    if pod.status.phase == "Succeeded":
        if case.indexed and index in case.recorded_indexes:
            return ""
        if case.ends_in_time(pod):
            return "succeeded"
    return "failed" if _counts_as_failed(case, verdict, pod) and treatment_of(case.job, pod).counts else ""


def _counts_as_failed(case: Case, verdict: JobCondition | None, pod: Pod) -> bool:
    """Returns whether the pod failed. At the failure of a Job all its other pods fail; at its success, the pods that
    are deleted do not."""
    if verdict is not None and verdict.type == FAILURE_TARGET:
        return True
    return has_failed(case.job, pod) and case.ends_in_time(pod)


def next_status(case: Case, verdict: JobCondition | None, *, managed: bool) -> JobStatus:
    """Returns the status. `managed`: no verdict, so that the Job runs or is suspended."""
    status = case.job.status
    uncounted = _next_uncounted(case, verdict)
    tracked = {pod.metadata.uid for pod in case.tracked}
    conditions = status.conditions
    start = status.startTime or (None if case.suspended else render_time(case.now))
    if managed:
        conditions, start = _suspension(case, start)
    new = msgspec.structs.replace(
        status,
        active=len(case.active),
        ready=sum(is_ready(pod) for pod in case.active),
        terminating=len(case.terminating),
        failed=status.failed + len(case.uncounted_failed - tracked),
        uncountedTerminatedPods=uncounted,
        startTime=start,
        conditions=conditions if verdict is None else with_condition(conditions, verdict),
    )
    if case.indexed:
        new.succeeded = len(case.succeeded_indexes)
        new.completedIndexes = render_indexes(case.succeeded_indexes)
        new.failedIndexes = render_indexes(case.failed_indexes) if case.per_index else None
    else:
        new.succeeded = status.succeeded + len(case.uncounted_succeeded - tracked)
    if verdict is not None and is_stored(case, verdict) and _is_settled(case, uncounted):
        _finish(case, new, verdict)
    return new


def _next_uncounted(case: Case, verdict: JobCondition | None) -> UncountedTerminatedPods:
    tracked = {pod.metadata.uid for pod in case.tracked}
    old = case.job.status.uncountedTerminatedPods or UncountedTerminatedPods()
    lists = {
        "succeeded": [uid for uid in old.succeeded if uid in tracked],
        "failed": [uid for uid in old.failed if uid in tracked],
    }
    for pod in case.tracked:
        if sum(map(len, lists.values())) >= _MOST_UNCOUNTED:
            break
        if not (_may_end(case, verdict, pod) or verdict is not None):
            continue
        record = _record(case, verdict, pod)
        if record and not (record == "succeeded" and case.indexed):
            lists[record].append(pod.metadata.uid)
    return UncountedTerminatedPods(succeeded=lists["succeeded"], failed=lists["failed"])


def _suspension(case: Case, start: str | None) -> tuple[list[JobCondition], str | None]:
    """Returns the conditions and the start time of a Job that has not ended. A resumed Job starts anew."""
    status = case.job.status
    if case.suspended:
        new = new_condition(SUSPENDED, "JobSuspended", "Job suspended", case.now)
    else:
        new = new_condition(SUSPENDED, "JobResumed", "Job resumed", case.now, "False")
    conditions = with_condition(status.conditions, new)
    if conditions != status.conditions:
        return conditions, None if case.suspended else render_time(case.now)
    return conditions, start


def _is_settled(case: Case, uncounted: UncountedTerminatedPods) -> bool:
    return not (case.tracked or case.active or case.terminating or uncounted.succeeded or uncounted.failed)


def _finish(case: Case, status: JobStatus, verdict: JobCondition) -> None:
    type = FAILED if verdict.type == FAILURE_TARGET else COMPLETE
    last = new_condition(type, verdict.reason, verdict.message, case.now)
    status.conditions = with_condition(status.conditions, last)
    # A suspended Job may end without a start; upstream requires one unless there was nothing to do.
    status.startTime = status.startTime or (None if case.job.spec.completions == 0 else render_time(case.now))
    if type == COMPLETE:
        status.completionTime = last.lastTransitionTime
