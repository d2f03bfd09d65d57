"""Decides the status of a PodDisruptionBudget: healthy pods, those that must stay healthy, evictions that are allowed.

What must stay true: a pod whose eviction was granted does not count as healthy until it is gone, or two minutes have
passed; without that, two evictions could be granted for one pod that may go.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import is_ready
from fairlead.api.meta.amounts import number_of
from fairlead.api.meta.types import LabelSelector
from fairlead.api.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from fairlead.api.policy.poddisruptionbudget.decision import decided
from fairlead.api.policy.poddisruptionbudget.kind import PodDisruptionBudget, PodDisruptionBudgetStatus
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, parse_time
from fairlead.runtime.plan import EventRecord, Plan, Update

_DELETION_S = 120.0
"""Seconds after which a granted eviction that was not carried out no longer counts, as upstream."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The desired number of pods of the workloads that a budget's pods belong to."""

    pods: int
    unmanaged: bool = False
    """True if a pod belongs to no workload."""
    problem: str = ""
    """The reason why the number is unknown."""


def needs_scale(budget: PodDisruptionBudget) -> bool:
    """Returns whether the bound depends on the size of workloads, and not on the number of pods."""
    return budget.spec.maxUnavailable is not None or isinstance(budget.spec.minAvailable, str)


def reconcile(budget: PodDisruptionBudget, pods: Sequence[Pod], scale: Scale, *, now: Instant) -> Plan:
    """Returns the plan for the budget. `pods`: all that it selects. `scale` counts only if the bound depends on it."""
    if scale.problem:
        return _failed(budget, scale.problem, now)
    expected = scale.pods if needs_scale(budget) else len(pods)
    desired = _desired(budget, expected)
    disrupted = _disrupted(budget, pods, now)
    healthy = sum(is_ready(pod) for pod in pods if _counts(pod) and pod.metadata.name not in disrupted)
    status = PodDisruptionBudgetStatus(
        currentHealthy=healthy,
        desiredHealthy=desired,
        expectedPods=expected,
        disruptionsAllowed=max(0, healthy - desired) if expected > 0 else 0,
        disruptedPods=disrupted,
        observedGeneration=budget.metadata.generation,
        conditions=budget.status.conditions,
    )
    status.conditions = decided(status, now)
    waits = [parse_time(at) + _DELETION_S - now for at in disrupted.values()]
    if status == budget.status:
        return Plan(retry_after=min(waits, default=None))
    events = [*_events(budget, pods, scale), *_forgotten(budget, pods, disrupted)]
    return Plan(status=_update(budget, status), events=tuple(events), retry_after=min(waits, default=None))


def _desired(budget: PodDisruptionBudget, expected: int) -> int:
    spec = budget.spec
    if spec.maxUnavailable is not None:
        return max(0, expected - _share(spec.maxUnavailable, expected))
    return _share(spec.minAvailable, expected) if spec.minAvailable is not None else 0


def _share(amount: int | str, total: int) -> int:
    """Returns the number; a percentage is rounded up."""
    number = number_of(amount) or 0
    return number if isinstance(amount, int) else -(-number * total // 100)


def _counts(pod: Pod) -> bool:
    return not pod.metadata.deletionTimestamp


def _disrupted(budget: PodDisruptionBudget, pods: Sequence[Pod], now: Instant) -> dict[str, str]:
    """Returns the pods whose eviction was granted and is still to come."""
    present = {pod.metadata.name for pod in pods if _counts(pod)}
    granted = budget.status.disruptedPods.items()
    return {name: at for name, at in granted if name in present and parse_time(at) + _DELETION_S > now}


def _events(budget: PodDisruptionBudget, pods: Sequence[Pod], scale: Scale) -> list[EventRecord]:
    events = []
    if not pods:
        events.append(EventRecord(budget, "NoPods", "No matching pods found"))
    if scale.unmanaged and needs_scale(budget):
        text = (
            f"Pods selected by this PodDisruptionBudget (selector: {_shown(budget.spec.selector)}) were found to be "
            "unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in "
            'undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an '
            "integer value."
        )
        events.append(EventRecord(budget, "UnmanagedPods", text, "Warning"))
    return events


def _forgotten(budget: PodDisruptionBudget, pods: Sequence[Pod], disrupted: dict[str, str]) -> list[EventRecord]:
    """Returns events about pods whose eviction was granted and did not happen."""
    namespace = budget.metadata.namespace
    text = f"Pod was expected by PDB {namespace}/{budget.metadata.name} to be deleted but it wasn't"
    late = [p for p in pods if _counts(p) and p.metadata.name in budget.status.disruptedPods.keys() - disrupted.keys()]
    return [EventRecord(pod, "NotDeleted", text, "Warning") for pod in late]


def _failed(budget: PodDisruptionBudget, problem: str, now: Instant) -> Plan:
    """Allows no eviction while the number of pods is unknown."""
    status = msgspec.structs.replace(budget.status, disruptionsAllowed=0)
    status.conditions = decided(status, now, problem=problem)
    if status == budget.status:
        return Plan()
    text = f"Failed to calculate the number of expected pods: {problem}"
    event = EventRecord(budget, "CalculateExpectedPodCountFailed", text, "Warning")
    return Plan(status=_update(budget, status), events=(event,))


def _shown(selector: LabelSelector | None) -> str:
    """Returns the selector as upstream's messages have it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted(selector.matchLabels.items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{e.key},Operator:{e.operator},Values:[{' '.join(e.values)}],}},"
        for e in selector.matchExpressions
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )


def _update(budget: PodDisruptionBudget, status: PodDisruptionBudgetStatus) -> tuple[Update, ...]:
    return (Update(POD_DISRUPTION_BUDGET, msgspec.structs.replace(budget, status=status), "status"),)
