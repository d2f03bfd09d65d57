"""A Job and its pods, with the numbers that decisions are made from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from fairlead.api.batch.job.status import UncountedTerminatedPods
from fairlead.api.batch.job.types import Job
from fairlead.api.core.pod.kind import Pod
from fairlead.base.instant import Instant, parse_time
from fairlead.controllers.workloads.job.conditions import FAILURE_TARGET, SUCCESS_CRITERIA_MET, true_condition
from fairlead.controllers.workloads.job.intervals import parse_indexes
from fairlead.controllers.workloads.job.pods import (
    FAILURE_COUNT,
    IGNORED_COUNT,
    deleted_at,
    failures_before,
    finished_at,
    has_failed,
    index_of,
    is_indexed,
    is_terminating,
    is_tracked,
)
from fairlead.controllers.workloads.job.policies import treatment_of
from fairlead.controllers.workloads.podfacts import is_active


class Case:
    """One Job at one time. `pods`: all that it owns."""

    def __init__(self, job: Job, pods: Sequence[Pod], now: Instant) -> None:
        self.job = job
        self.pods = pods
        self.now = now
        self.indexed = is_indexed(job)
        self.active = [pod for pod in pods if is_active(pod)]
        self.terminating = [pod for pod in pods if is_terminating(pod)]
        self.tracked = [pod for pod in pods if is_tracked(pod)]
        uncounted = job.status.uncountedTerminatedPods or UncountedTerminatedPods()
        self.uncounted_succeeded = frozenset(uncounted.succeeded)
        self.uncounted_failed = frozenset(uncounted.failed)
        decided = true_condition(job, SUCCESS_CRITERIA_MET) or true_condition(job, FAILURE_TARGET)
        self.decided_at = parse_time(decided.lastTransitionTime) if decided and decided.lastTransitionTime else None

    @property
    def suspended(self) -> bool:
        return bool(self.job.spec.suspend)

    def ends_in_time(self, pod: Pod) -> bool:
        """Returns whether the end of the pod belongs to the Job: not if the Job was decided before. The controller
        deletes the pods that are left then, and some of them fail or succeed by that."""
        return self.decided_at is None or (deleted_at(pod) or finished_at(pod)) < self.decided_at

    @property
    def per_index(self) -> bool:
        """Returns whether failures are limited for each index."""
        return self.indexed and self.job.spec.backoffLimitPerIndex is not None

    @cached_property
    def recorded_indexes(self) -> frozenset[int]:
        """Returns the succeeded indexes of the status."""
        return parse_indexes(self.job.status.completedIndexes, self.job.spec.completions or 0)

    @cached_property
    def succeeded_indexes(self) -> frozenset[int]:
        """Returns the succeeded indexes, recorded or not."""
        indexes = (index_of(self.job, pod) for pod in self.tracked if self._has_succeeded(pod))
        return self.recorded_indexes | {index for index in indexes if index is not None}

    @cached_property
    def failed_indexes(self) -> frozenset[int]:
        """Returns the indexes that have failed for good; none without a limit for each index."""
        if not self.per_index:
            return frozenset()
        indexes = (index_of(self.job, pod) for pod in self.tracked if self._fails_index(pod))
        recorded = parse_indexes(self.job.status.failedIndexes, self.job.spec.completions or 0)
        return recorded | {index for index in indexes if index is not None}

    def _has_succeeded(self, pod: Pod) -> bool:
        is_failed = pod.metadata.uid in self.uncounted_failed  # it was deleted, and succeeded after that
        return pod.status.phase == "Succeeded" and self.ends_in_time(pod) and not is_failed

    def _fails_index(self, pod: Pod) -> bool:
        if not has_failed(self.job, pod) or not self.ends_in_time(pod):
            return False
        treatment = treatment_of(self.job, pod)
        if treatment.action == "FailIndex":
            return True
        return treatment.counts and failures_before(pod, FAILURE_COUNT) >= (self.job.spec.backoffLimitPerIndex or 0)

    @cached_property
    def succeeded(self) -> int:
        """Returns the number of successes, counted or not."""
        if self.indexed:
            return len(self.succeeded_indexes)
        fresh = [p for p in self.tracked if p.status.phase == "Succeeded" and not self._is_uncounted(p)]
        return self.job.status.succeeded + len(self.uncounted_succeeded) + len(fresh)

    @cached_property
    def failed(self) -> int:
        """Returns the number of failures, counted or not, without those that the policy ignores."""
        fresh = [
            pod
            for pod in self.tracked
            if has_failed(self.job, pod)
            and not self._is_uncounted(pod)
            and (not self.indexed or index_of(self.job, pod) is not None)
            and treatment_of(self.job, pod).counts
        ]
        return self.job.status.failed + len(self.uncounted_failed) + len(fresh)

    def _is_uncounted(self, pod: Pod) -> bool:
        return pod.metadata.uid in self.uncounted_succeeded or pod.metadata.uid in self.uncounted_failed

    @cached_property
    def awaiting_replacement(self) -> dict[int, Pod]:
        """Returns the last failed pod of each index without another pod. It stays until its replacement carries its
        number of failures."""
        result: dict[int, Pod] = {}
        if not self.per_index:
            return result
        done = self.succeeded_indexes | self.failed_indexes | {index_of(self.job, pod) for pod in self.active}
        for pod in self.tracked:
            index = index_of(self.job, pod)
            if index is None or index in done or not has_failed(self.job, pod):
                continue
            if index not in result or _order(result[index]) <= _order(pod):
                result[index] = pod
        return result


def failures_of(pod: Pod) -> int:
    """Returns the number of failures of the pod's index before it, ignored ones included."""
    return failures_before(pod, FAILURE_COUNT) + failures_before(pod, IGNORED_COUNT)


def _order(pod: Pod) -> tuple[int, Instant]:
    return failures_of(pod), finished_at(pod)
