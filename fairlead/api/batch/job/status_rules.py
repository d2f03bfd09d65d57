"""Checks of a Job's status and of its changes.

Source of the rules and their texts: upstream's validation of batch (KEP-4368, managedBy). A rule is checked only if
one of the fields that it is about has changed, so that a write can repair one fault at a time.
"""

from collections.abc import Iterator

from fairlead.api.batch.job.indexes import IndexesError, count_indexes, overlap
from fairlead.api.batch.job.rules import INDEXED
from fairlead.api.batch.job.status import JobStatus, is_true
from fairlead.api.batch.job.types import Job
from fairlead.api.meta.rules import not_negative
from fairlead.base.instant import parse_time
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.values.status import OMITTED, FieldError, duplicate, invalid, required


def status_errors(status: JobStatus) -> Iterator[FieldError]:
    """Yields errors of a status alone."""
    for name in ("active", "succeeded", "failed", "ready", "terminating"):
        yield from not_negative(getattr(status, name), f"status.{name}")
    if status.uncountedTerminatedPods is None:
        return
    known: set[str] = set()
    for name in ("succeeded", "failed"):
        for number, uid in enumerate(getattr(status.uncountedTerminatedPods, name)):
            path = f"status.uncountedTerminatedPods.{name}[{number}]"
            if not uid:
                yield invalid(path, uid, "must not be empty")
            elif uid in known:
                yield duplicate(path, uid)
            known.add(uid)


def status_transition(old: Job, new: Job) -> Iterator[FieldError]:
    """Yields errors of a changed status; none if the status is unchanged."""
    if old.status == new.status:
        return
    changed = {name for name in JobStatus.__struct_fields__ if getattr(old.status, name) != getattr(new.status, name)}
    types = ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")
    changed |= {type for type in types if is_true(old.status, type) != is_true(new.status, type)}
    yield from _condition_errors(new.status, changed)
    yield from _time_errors(new, changed)
    yield from _finished_errors(new, changed)
    yield from _index_errors(new, changed)
    if changed & {"ready", "active"} and (new.status.ready or 0) > new.status.active:
        yield invalid("status.ready", new.status.ready, "cannot set more ready pods than active")
    yield from _decrease_errors(old, new)
    yield from _history_errors(old, new)


def _condition_errors(status: JobStatus, changed: set[str]) -> Iterator[FieldError]:
    path = "status.conditions"
    complete, failed = is_true(status, "Complete"), is_true(status, "Failed")
    target, met = is_true(status, "FailureTarget"), is_true(status, "SuccessCriteriaMet")
    if changed & {"Complete", "Failed"} and complete and failed:
        yield invalid(path, OMITTED, "cannot set Complete=True and Failed=true conditions")
    if changed & {"Complete", "FailureTarget"} and complete and target:
        yield invalid(path, OMITTED, "cannot set Complete=True and FailureTarget=true conditions")
    if changed & {"Failed", "failedIndexes"} and failed and not target:
        yield invalid(path, OMITTED, "cannot set Failed=True condition without the FailureTarget=true condition")
    if changed & {"Complete", "SuccessCriteriaMet"} and complete and not met:
        text = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        yield invalid(path, OMITTED, text)
    if met and failed:
        yield invalid(path, OMITTED, "cannot set SuccessCriteriaMet=True and Failed=true conditions")
    if met and target:
        yield invalid(path, OMITTED, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")


def _time_errors(job: Job, changed: set[str]) -> Iterator[FieldError]:
    status, complete, path = job.status, is_true(job.status, "Complete"), "status.completionTime"
    if changed & {"Complete", "completionTime"}:
        if status.completionTime is not None and not complete:
            text = "cannot set completionTime when there is no Complete=True condition"
            yield invalid(path, status.completionTime, text)
        if status.completionTime is None and complete:
            yield required(path, "completionTime is required for Complete jobs")
    if not changed & {"startTime", "completionTime"} or status.startTime is None or status.completionTime is None:
        return
    if parse_time(status.completionTime) < parse_time(status.startTime):
        yield invalid(path, status.completionTime, "must be equal to or after `startTime`")


def _finished_errors(job: Job, changed: set[str]) -> Iterator[FieldError]:
    status = job.status
    if not (is_true(status, "Complete") or is_true(status, "Failed")):
        return
    ends = bool(changed & {"Complete", "Failed"})
    if (ends or "active" in changed) and status.active > 0:
        yield invalid("status.active", status.active, "active>0 is invalid for finished job")
    nothing_to_do = job.spec.suspend and job.spec.completions == 0
    if (ends or "startTime" in changed) and not nothing_to_do and status.startTime is None:
        yield required("status.startTime", "startTime is required for finished job")
    pods = status.uncountedTerminatedPods
    if (ends or "uncountedTerminatedPods" in changed) and pods is not None and (pods.failed or pods.succeeded):
        yield invalid("status.uncountedTerminatedPods", to_tree(pods), "must be empty for finished job")
    if (ends or "terminating" in changed) and (status.terminating or 0) > 0:
        yield invalid("status.terminating", status.terminating, "terminating>0 is invalid for finished job")


def _index_errors(job: Job, changed: set[str]) -> Iterator[FieldError]:
    spec, status, completions = job.spec, job.status, job.spec.completions
    if "completedIndexes" in changed:
        if completions is not None:
            yield from _format_errors("completedIndexes", status.completedIndexes, completions)
        if status.completedIndexes and spec.completionMode != INDEXED:
            text = "cannot set non-empty completedIndexes when non-indexed completion mode"
            yield invalid("status.completedIndexes", status.completedIndexes, text)
    failed = status.failedIndexes
    if failed is None:
        return
    if "failedIndexes" in changed:
        if completions is not None and spec.backoffLimitPerIndex is not None:
            yield from _format_errors("failedIndexes", failed, completions)
        if spec.backoffLimitPerIndex is None:
            text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
            yield invalid("status.failedIndexes", failed, text)
    if changed & {"completedIndexes", "failedIndexes"} and completions is not None:
        both = overlap(status.completedIndexes, failed, completions)
        if both is not None:
            text = f"failedIndexes and completedIndexes overlap at index: {both}"
            yield invalid("status.failedIndexes", failed, text)


def _format_errors(name: str, text: str, completions: int) -> Iterator[FieldError]:
    try:
        count_indexes(text, completions)
    except IndexesError as e:
        yield invalid(f"status.{name}", text, f"error parsing {name}: {e}")


def _decrease_errors(old: Job, new: Job) -> Iterator[FieldError]:
    if new.status.failed < old.status.failed:
        yield invalid("status.failed", new.status.failed, "cannot decrease the failed counter")
    elastic = new.spec.completionMode == INDEXED and new.spec.completions == new.spec.parallelism
    if not elastic and new.status.succeeded < old.status.succeeded:
        yield invalid("status.succeeded", new.status.succeeded, "cannot decrease the succeeded counter")


def _history_errors(old: Job, new: Job) -> Iterator[FieldError]:
    """Yields errors about facts that stay once they are recorded."""
    before, after, path = old.status, new.status, "status.conditions"
    for type in ("Failed", "Complete", "FailureTarget"):
        if is_true(before, type) and not is_true(after, type):
            yield invalid(path, OMITTED, f"cannot disable the terminal {type}=True condition")
    if after.completionTime and before.completionTime and after.completionTime != before.completionTime:
        yield invalid("status.completionTime", after.completionTime, "field is immutable")
    resumes = is_true(before, "Suspended") and any(
        condition.type == "Suspended" and condition.status == "False" for condition in after.conditions
    )
    if before.startTime and after.startTime != before.startTime and not new.spec.suspend and not resumes:
        text = "field is immutable for unsuspended job once set"
        yield invalid("status.startTime", after.startTime, text)
    if is_true(before, "SuccessCriteriaMet") and not is_true(after, "SuccessCriteriaMet"):
        yield invalid(path, OMITTED, "cannot disable the SuccessCriteriaMet=True condition")
    late = is_true(after, "SuccessCriteriaMet") and not is_true(before, "SuccessCriteriaMet")
    if is_true(before, "Complete") and late:
        text = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        yield invalid(path, OMITTED, text)
