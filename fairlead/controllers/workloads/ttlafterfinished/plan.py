"""Decides whether a finished Job is due for deletion."""

from __future__ import annotations

from fairlead.api.batch.job import JOB
from fairlead.api.batch.job.types import Job
from fairlead.base.instant import Instant, parse_time
from fairlead.controllers.workloads.job.conditions import finished_condition
from fairlead.runtime.plan import NOTHING, Delete, Plan


def reconcile(job: Job, *, now: Instant) -> Plan:
    """Returns the plan for the Job. Its pods are deleted before it, as upstream does."""
    ttl, condition = job.spec.ttlSecondsAfterFinished, finished_condition(job)
    if ttl is None or condition is None or job.metadata.deletionTimestamp or not condition.lastTransitionTime:
        return NOTHING
    left = parse_time(condition.lastTransitionTime) + ttl - now
    if left > 0:
        return Plan(retry_after=left)
    return Plan(delete=(Delete(JOB, job, "Foreground"),))
