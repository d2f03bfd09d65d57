"""The PodDisruptionBudget that decides about an eviction, and the disruption that the eviction takes from it.

Source of the texts: upstream's eviction of Pods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import is_ready
from fairlead.api.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from fairlead.apiserver.model import RequestContext
from fairlead.apiserver.registry.update import Candidate, Change, Updater
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.instant import render_time
from fairlead.machinery.values.selectors import from_label_selector
from fairlead.machinery.values.status import StatusError, forbidden_object

if TYPE_CHECKING:
    from fairlead.api.policy.poddisruptionbudget.kind import PodDisruptionBudget, PodDisruptionBudgetStatus

_MOST_DISRUPTED = 2000
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


class Budgets:
    """The budgets of the cluster."""

    def __init__(self, resources: Resources, updater: Updater, *, clock: Clock) -> None:
        self._resources = resources
        self._updater = updater
        self._clock = clock

    def of(self, pod: Pod) -> PodDisruptionBudget | None:
        """Returns the budget that selects the Pod. Raises StatusError 500 if several do."""
        cache = self._resources.of(POD_DISRUPTION_BUDGET).cache
        if not cache:
            return None
        budgets: list[PodDisruptionBudget] = [entry.decode() for entry in cache.select(pod.metadata.namespace)]
        selecting = [b for b in budgets if from_label_selector(b.spec.selector).matches(pod.metadata.labels)]
        if len(selecting) > 1:
            raise StatusError(500, "", _SEVERAL)
        return selecting[0] if selecting else None

    async def take(self, budget: PodDisruptionBudget, pod: Pod, context: RequestContext, *, dry_run: bool) -> None:
        """Takes one allowed disruption for the Pod. Raises StatusError 403, 404, 429."""
        meta = budget.metadata
        target = Target(self._resources.of(POD_DISRUPTION_BUDGET), meta.namespace, meta.name, "status")
        await self._updater.update(target, self._taking(pod.metadata.name), WriteOptions(dry_run=dry_run), context)

    def _taking(self, pod: str) -> Change:
        async def change(entry: Entry) -> Candidate:
            from fairlead.api.policy.poddisruptionbudget.decision import decided

            budget: PodDisruptionBudget = entry.decode()
            now, status = self._clock.now(), budget.status
            _check(budget)
            status.disruptionsAllowed -= 1
            status.disruptedPods = status.disruptedPods | {pod: render_time(now)}
            if not status.disruptionsAllowed:
                status.conditions = decided(status, now)
            return Candidate(budget, admitted=True, final=True)

        return change


def goes_freely(pod: Pod, budget: PodDisruptionBudget) -> bool:
    """Returns whether the Pod may go without a disruption, because it is not ready and so not counted as healthy."""
    if is_ready(pod):
        return False
    if budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow":
        return True
    return budget.status.currentHealthy >= budget.status.desiredHealthy > 0


def too_many(name: str, message: str = "", *, wait_s: int = 10) -> StatusError:
    """Returns the error for an eviction that the client may try again."""
    text = message or f"The disruption budget {name} is still being processed by the server."
    details: dict[str, object] = {"retryAfterSeconds": wait_s} if wait_s else {}
    details["causes"] = [{"reason": "DisruptionBudget", "message": text}]
    return StatusError(429, "TooManyRequests", _REFUSED, details)


def _check(budget: PodDisruptionBudget) -> None:
    """Raises StatusError 403 or 429 if the budget allows no disruption."""
    status, name = budget.status, budget.metadata.name
    if status.observedGeneration < budget.metadata.generation:
        raise too_many(name)
    if len(status.disruptedPods) > _MOST_DISRUPTED:
        text = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden_object("poddisruptionbudget", "policy", name, text)
    if status.disruptionsAllowed <= 0:
        raise too_many(name, _why(name, status), wait_s=0)


def _why(name: str, status: PodDisruptionBudgetStatus) -> str:
    from fairlead.api.policy.poddisruptionbudget.decision import FAILED, decision_of

    decision = decision_of(status)
    problem = decision.message if decision is not None and decision.status == "False" else ""
    start = f"The disruption budget {name} does not allow evicting pods currently"
    if decision is not None and problem and decision.reason == FAILED:
        return f"{start} because it failed sync: {problem}"
    if status.currentHealthy <= status.desiredHealthy:
        needed, present = status.desiredHealthy, status.currentHealthy
        return f"The disruption budget {name} needs {needed} healthy pods and has {present} currently"
    return f"{start} ({decision.reason}): {problem}" if decision is not None and problem else start
