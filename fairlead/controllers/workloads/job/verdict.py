"""Decides whether a Job has ended, before its pods are gone: the condition FailureTarget or SuccessCriteriaMet.

The order is upstream's: an earlier decision stays, failures come before successes.
"""

from __future__ import annotations

from fairlead.api.batch.job.status import JobCondition
from fairlead.base.instant import Instant, parse_time
from fairlead.controllers.workloads.job.case import Case
from fairlead.controllers.workloads.job.conditions import (
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
    new_condition,
    true_condition,
)
from fairlead.controllers.workloads.job.pods import has_failed
from fairlead.controllers.workloads.job.policies import success_rule, treatment_of


def verdict_of(case: Case) -> JobCondition | None:
    """Returns the condition that decides the end of the Job, or None. The number of completions is not examined."""
    job = case.job
    earlier = true_condition(job, SUCCESS_CRITERIA_MET) or true_condition(job, FAILURE_TARGET)
    if earlier is not None:
        return earlier
    failure = _policy_failure(case) or _limit_failure(case) or _index_failure(case)
    if failure is not None:
        return new_condition(FAILURE_TARGET, *failure, case.now)
    rule = success_rule(job, case.succeeded_indexes) if case.indexed else None
    if rule is None:
        return None
    return new_condition(SUCCESS_CRITERIA_MET, "SuccessPolicy", f"Matched rules at index {rule}", case.now)


def completed(case: Case) -> JobCondition | None:
    """Returns the condition of a Job whose pods have succeeded often enough, if no pod is active."""
    completions = case.job.spec.completions
    enough = case.succeeded > 0 if completions is None else case.succeeded >= completions
    if not enough or case.active:
        return None
    text = "Reached expected number of succeeded pods"
    return new_condition(SUCCESS_CRITERIA_MET, "CompletionsReached", text, case.now)


def deadline_of(case: Case) -> Instant | None:
    """Returns when the Job fails by `activeDeadlineSeconds`; None without a limit or for a suspended Job."""
    limit, start = case.job.spec.activeDeadlineSeconds, case.job.status.startTime
    if limit is None or case.suspended:
        return None
    return Instant((parse_time(start) if start else case.now) + limit)


Reason = tuple[str, str]


def _policy_failure(case: Case) -> Reason | None:
    if case.job.spec.podFailurePolicy is None:
        return None
    for pod in case.pods:
        treatment = treatment_of(case.job, pod) if has_failed(case.job, pod) else None
        if treatment is not None and treatment.action == "FailJob":
            return "PodFailurePolicy", treatment.message
    return None


def _limit_failure(case: Case) -> Reason | None:
    limit = case.job.spec.backoffLimit
    if limit is not None and (case.failed > limit or _restarts_exceed(case, limit)):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    deadline = deadline_of(case)
    if deadline is not None and deadline <= case.now:
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    return None


def _restarts_exceed(case: Case, limit: int) -> bool:
    """Returns whether the containers of pods with restartPolicy OnFailure were restarted too often."""
    if case.job.spec.template.spec.restartPolicy != "OnFailure":
        return False
    pods = [pod for pod in case.pods if pod.status.phase in ("Running", "Pending")]
    statuses = [s for pod in pods for s in (*pod.status.initContainerStatuses, *pod.status.containerStatuses)]
    return sum(status.restartCount for status in statuses) >= max(limit, 1)


def _index_failure(case: Case) -> Reason | None:
    failed, most = len(case.failed_indexes), case.job.spec.maxFailedIndexes
    if not failed:
        return None
    if most is not None and failed > most:
        return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
    if failed + len(case.succeeded_indexes) >= (case.job.spec.completions or 0):
        return "FailedIndexes", "Job has failed indexes"
    return None
