"""Pods that end because their Job is decided: the plan alone."""

from __future__ import annotations

import pytest

from fairlead.api.batch.job.spec import (
    SuccessPolicy,
    SuccessPolicyRule,
)
from fairlead.base.instant import Instant
from tests.controllers.jobbench import indexed, job, policy, started

FIRST_SUCCEEDS = SuccessPolicy(rules=[SuccessPolicyRule(succeededIndexes="0")])


@pytest.mark.parametrize("code", [0, 143], ids=["by success", "by failure"])
@pytest.mark.parametrize("conflicts", [0, 1, 2])
@pytest.mark.parametrize("limit", [None, 0, 2])
def test_pods_that_end_because_the_success_policy_is_met_are_not_counted(
    code: int, conflicts: int, limit: int | None
) -> None:
    """Their programs end at once by the signal, before their finalizers are gone."""
    bench = started(indexed(3, successPolicy=FIRST_SUCCEEDS, backoffLimitPerIndex=limit))
    bench.finish(index=0)
    for _ in range(conflicts):
        bench.step(refuse_status=True)
    bench.settle_with_pods_that_end_by_deletion(code)
    status = bench.job.status
    assert bench.conditions()[-1] == ("Complete", "True", "SuccessPolicy")
    assert (status.failed, status.succeeded, status.completedIndexes, status.failedIndexes or "") == (0, 1, "0", "")


def test_a_pod_that_fails_before_the_success_policy_is_met_is_counted() -> None:
    bench = started(indexed(3, successPolicy=FIRST_SUCCEEDS))
    bench.finish(1, index=1)
    bench.finish(index=0)
    bench.settle_with_pods_that_end_by_deletion(143)
    assert (bench.job.status.failed, bench.job.status.succeeded) == (1, 1)


@pytest.mark.parametrize("code", [0, 143], ids=["by success", "by failure"])
@pytest.mark.parametrize("conflicts", [0, 1])
def test_pods_that_end_because_their_job_fails_fail_without_their_indexes(code: int, conflicts: int) -> None:
    bench = started(indexed(3, backoffLimitPerIndex=0, maxFailedIndexes=0))
    bench.finish(1, index=1)
    for _ in range(conflicts):
        bench.step(refuse_status=True)
    bench.settle_with_pods_that_end_by_deletion(code)
    status = bench.job.status
    assert bench.conditions()[-1] == ("Failed", "True", "MaxFailedIndexesExceeded")
    assert (status.failed, status.succeeded, status.completedIndexes, status.failedIndexes) == (3, 0, "", "1")


def test_an_index_that_succeeds_in_the_second_in_which_the_job_fails_is_not_failed_too() -> None:
    bench = started(indexed(2, backoffLimitPerIndex=1, podFailurePolicy=policy("FailIndex", 1)))
    bench.finish(1, index=1)
    bench.finish(index=0)
    bench.settle_with_pods_that_end_by_deletion(143)
    status = bench.job.status
    assert bench.conditions()[-1] == ("Failed", "True", "FailedIndexes")
    assert (status.failed, status.succeeded, status.completedIndexes, status.failedIndexes) == (1, 1, "0", "1")


def test_a_pod_that_succeeds_in_the_second_in_which_the_job_fails_is_not_failed_too() -> None:
    bench = started(job(completions=3, parallelism=2, backoffLimit=0))
    bench.finish(1)
    bench.finish()
    bench.settle_with_pods_that_end_by_deletion(143)
    assert bench.conditions()[-1] == ("Failed", "True", "BackoffLimitExceeded")
    assert (bench.job.status.failed, bench.job.status.succeeded) == (1, 1)


def test_the_reason_of_a_deadline_stays_after_a_conflict() -> None:
    bench = started(job(completions=3, parallelism=3, backoffLimit=1, activeDeadlineSeconds=10))
    bench.now = Instant(bench.now + 10)
    bench.step(refuse_status=True)
    bench.settle_with_pods_that_end_by_deletion(143)
    assert bench.conditions()[-1] == ("Failed", "True", "DeadlineExceeded")
