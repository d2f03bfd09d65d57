"""The conditions of a Job."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.batch.job.status import JobCondition
from fairlead.api.batch.job.types import Job
from fairlead.base.instant import Instant, render_time

COMPLETE, FAILED = "Complete", "Failed"
FAILURE_TARGET, SUCCESS_CRITERIA_MET, SUSPENDED = "FailureTarget", "SuccessCriteriaMet", "Suspended"


def true_condition(job: Job, type: str) -> JobCondition | None:
    """Returns the Job's condition of the type if its status is True."""
    return next((c for c in job.status.conditions if c.type == type and c.status == "True"), None)


def finished_condition(job: Job) -> JobCondition | None:
    """Returns the condition that ends the Job, or None."""
    return true_condition(job, COMPLETE) or true_condition(job, FAILED)


def new_condition(type: str, reason: str, message: str, now: Instant, status: str = "True") -> JobCondition:
    at = render_time(now)
    return JobCondition(
        type=type, status=status, lastProbeTime=at, lastTransitionTime=at, reason=reason, message=message
    )


def with_condition(conditions: Sequence[JobCondition], new: JobCondition) -> list[JobCondition]:
    """Returns the conditions with `new` in the place of the one of its type. A condition that is False is not added,
    and an equal one keeps its times."""
    old = next((c for c in conditions if c.type == new.type), None)
    if old is None:
        return [*conditions, new] if new.status != "False" else list(conditions)
    if (old.status, old.reason, old.message) == (new.status, new.reason, new.message):
        return list(conditions)
    return [new if c is old else c for c in conditions]
