"""The condition DisruptionAllowed, which the controller and the server of evictions both write."""

from __future__ import annotations

from fairlead.api.meta.types import Condition
from fairlead.api.policy.poddisruptionbudget.kind import PodDisruptionBudgetStatus
from fairlead.base.instant import Instant, render_time

ALLOWED = "DisruptionAllowed"
FAILED = "SyncFailed"


def decision_of(status: PodDisruptionBudgetStatus) -> Condition | None:
    """Returns the condition, if it is set."""
    return next((condition for condition in status.conditions if condition.type == ALLOWED), None)


def decided(status: PodDisruptionBudgetStatus, now: Instant, *, problem: str = "") -> list[Condition]:
    """Returns the conditions that follow from the allowed disruptions. `problem`: why they cannot be computed."""
    enough = status.disruptionsAllowed > 0 and not problem
    reason = FAILED if problem else "SufficientPods" if enough else "InsufficientPods"
    value, old = "True" if enough else "False", decision_of(status)
    since = old.lastTransitionTime if old is not None and old.status == value else render_time(now)
    new = Condition(
        type=ALLOWED,
        status=value,
        reason=reason,
        message=problem,
        observedGeneration=status.observedGeneration,
        lastTransitionTime=since,
    )
    return [*(condition for condition in status.conditions if condition.type != ALLOWED), new]
