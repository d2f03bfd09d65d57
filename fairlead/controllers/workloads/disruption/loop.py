"""Feeds the disruption controller: budgets, and the pods that they select. Before the first budget exists, nothing is
watched for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.predicates import is_ready
from fairlead.api.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from fairlead.base.keys import key_of
from fairlead.controllers.context import Context
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.selectors import from_label_selector
from fairlead.runtime.index import Index, by_namespace
from fairlead.runtime.informer import Informer
from fairlead.runtime.loop import Controller

if TYPE_CHECKING:
    from fairlead.api.policy.poddisruptionbudget.kind import PodDisruptionBudget
    from fairlead.controllers.workloads.disruption.scales import Scales

_ACCOUNT = "disruption-controller"


def controller(context: Context) -> Controller:
    return _Budgets(context).controller


class _Caches:
    """The informers, made when the first budget exists."""

    def __init__(self, context: Context) -> None:
        from fairlead.controllers.workloads.disruption.scales import Scales

        self.budgets: Informer[PodDisruptionBudget] = context.informers.of(POD_DISRUPTION_BUDGET)
        self.pods = context.informers.of(POD)
        self.budgets_in_namespace = Index(self.budgets, by_namespace)
        self.pods_in_namespace = Index(self.pods, by_namespace)
        self.scales: Scales = Scales(context, context.client_of(_ACCOUNT))


class _Budgets:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._applier = context.applier("controllermanager", account=_ACCOUNT)
        self._caches: _Caches | None = None
        self.controller = Controller("disruption", context.queue(), self._sync, workers=2)
        context.scheme.on_use(self._on_use)

    def _on_use(self, kind: Kind[Any]) -> None:
        if kind is not POD_DISRUPTION_BUDGET or self._caches is not None:
            return
        caches = self._caches = _Caches(self._context)
        caches.budgets.add_handler(lambda key, old, new: self.controller.queue.add(key))
        caches.pods.add_handler(self._on_pod)

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        if self._caches is None or (old is not None and new is not None and _facts(old) == _facts(new)):
            return
        for pod in (old, new):
            for budget in self._caches.budgets_in_namespace.get(pod.metadata.namespace) if pod else ():
                if pod is not None and from_label_selector(budget.spec.selector).matches(pod.metadata.labels):
                    self.controller.queue.add(key_of(budget.metadata))

    async def _sync(self, key: str) -> float | None:
        from fairlead.controllers.workloads.disruption.plan import Scale, needs_scale, reconcile

        caches = self._caches
        budget = caches.budgets.get(key) if caches is not None else None
        if caches is None or budget is None:
            return None
        await caches.pods.synced.wait()
        selector = from_label_selector(budget.spec.selector)
        pods = caches.pods_in_namespace.get(budget.metadata.namespace)
        selected = [pod for pod in pods if selector.matches(pod.metadata.labels)]
        scale = await caches.scales.of(selected) if needs_scale(budget) else Scale(0)
        plan = reconcile(budget, selected, scale, now=self._context.clock.now())
        if plan:
            await self._applier.apply(plan)
        return plan.retry_after


def _facts(pod: Pod) -> tuple[object, ...]:
    """Returns what budgets depend on."""
    return is_ready(pod), bool(pod.metadata.deletionTimestamp), pod.metadata.labels, pod.metadata.ownerReferences
