"""Chooses the node, and the pods to evict from it, so that a pod of higher priority fits.

Source: KEP-564 and upstream's default preemption. As there, budgets are obeyed if possible: an exhausted
disruption budget makes a node less attractive and does not exclude it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.selectors import from_label_selector
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.explain import not_helpful
from fairlead.scheduler.framework import Plugin, Rejection
from fairlead.scheduler.names import PREEMPTED
from fairlead.scheduler.plan import Unschedulable, rejection_of
from fairlead.scheduler.plugins import PLUGINS

if TYPE_CHECKING:
    from fairlead.api.policy.poddisruptionbudget.kind import PodDisruptionBudget

NEVER = "not eligible due to preemptionPolicy=Never."
TERMINATING = "not eligible due to a terminating pod on the nominated node."
_NO_VICTIMS = Rejection(("No preemption victims found for incoming pod",))
_SHARE = 10
_LEAST_CANDIDATES = 100
"""A tenth of the nodes, and at least 100, are tried before the best one is taken. Upstream's numbers."""
_PRIORITY_OFFSET = 1 << 31


@dataclass(frozen=True, slots=True)
class Preemption:
    """The node to nominate and the pods to evict from it, the most important first."""

    node: str
    victims: tuple[PodInfo, ...]
    violations: int = 0
    """Number of evicted pods whose disruption budget is exhausted."""


@dataclass(frozen=True, slots=True)
class NoPreemption:
    """The reason why no eviction helps; `keep` is true if the pod still waits for pods evicted before."""

    message: str
    keep: bool = False


def ineligible(info: PodInfo, snapshot: Snapshot, result: Unschedulable) -> str:
    """Returns why the pod must not evict others now, or an empty text."""
    if info.pod.spec.preemptionPolicy == "Never":
        return NEVER
    nominated = snapshot.nominated.get(info.key)
    node = snapshot.nodes.get(nominated.node) if nominated is not None else None
    if node is None:
        return ""
    rejection = result.rejections.get(node.name)
    if rejection is None or not rejection.resolvable:
        return ""
    waits = any(p.priority < info.priority and _ends_by_preemption(p.pod) for p in node.pods.values())
    return TERMINATING if waits else ""


def preempt(
    info: PodInfo,
    snapshot: Snapshot,
    result: Unschedulable,
    budgets: Sequence[PodDisruptionBudget],
    *,
    start: int = 0,
    plugins: Sequence[Plugin] = PLUGINS,
) -> Preemption | NoPreemption:
    """Returns the evictions that make room for the pod. The nodes are tried from the one at `start`."""
    if problem := ineligible(info, snapshot, result):
        return NoPreemption(problem, keep=problem == TERMINATING)
    names = [name for name, rejection in result.rejections.items() if rejection.resolvable and name in snapshot.nodes]
    names = names[start % len(names) :] + names[: start % len(names)] if names else names
    enough = max(_LEAST_CANDIDATES, len(names) * _SHARE // 100)
    found: list[Preemption] = []
    reasons: dict[str, tuple[str, ...]] = {}
    for name in names:
        one = victims_on(name, info, snapshot, budgets, plugins)
        if isinstance(one, Preemption):
            found.append(one)
            if len(found) == enough:
                break
        else:
            reasons[name] = one.reasons
    if not found:
        return NoPreemption(not_helpful(len(snapshot.nodes), reasons))
    return min(found, key=_rank)


def victims_on(
    name: str,
    info: PodInfo,
    snapshot: Snapshot,
    budgets: Sequence[PodDisruptionBudget],
    plugins: Sequence[Plugin],
) -> Preemption | Rejection:
    """Returns the fewest evictions that make room on the node: all pods of lower priority go, and come back one by one,
    those first whose budget is exhausted and then the most important, as long as the pod fits."""
    lower = sorted((p for p in snapshot.nodes[name].pods.values() if p.priority < info.priority), key=_importance)
    if not lower:
        return _NO_VICTIMS
    gone = {p.key for p in lower}
    rejection = rejection_of(info, snapshot.simulate(name, remove=gone), name, plugins)
    if rejection is not None:
        return rejection
    violating = _violating(lower, budgets)
    violations = 0
    for pod in sorted(lower, key=lambda p: p.key not in violating):
        gone.discard(pod.key)
        if rejection_of(info, snapshot.simulate(name, remove=gone), name, plugins) is not None:
            gone.add(pod.key)
            violations += pod.key in violating
    return Preemption(name, tuple(p for p in lower if p.key in gone), violations)


def _importance(pod: PodInfo) -> tuple[int, str, str]:
    """Returns a key that sorts the most important pod first: greatest priority, then longest running."""
    return -pod.priority, _started(pod), pod.key


def _started(pod: PodInfo) -> str:
    return pod.pod.status.startTime or "9999"


def _rank(candidate: Preemption) -> tuple[object, ...]:
    """Returns a key by which the best candidate is the least. The last criterion prefers the pods that started last."""
    victims = candidate.victims
    if not victims:
        return (-1,)
    highest = victims[0].priority
    first = min(_started(p) for p in victims if p.priority == highest)
    return (
        candidate.violations,
        highest,
        sum(p.priority + _PRIORITY_OFFSET for p in victims),
        len(victims),
        _Reversed(first),
    )


@dataclass(frozen=True, slots=True)
class _Reversed:
    """A text that sorts in the reverse order."""

    text: str

    def __lt__(self, other: _Reversed) -> bool:
        return self.text > other.text


def _violating(pods: Iterable[PodInfo], budgets: Sequence[PodDisruptionBudget]) -> frozenset[str]:
    """Returns the keys of the pods that a budget does not allow to evict, in the order of the pods."""
    allowed = [budget.status.disruptionsAllowed for budget in budgets]
    selectors = [from_label_selector(budget.spec.selector) for budget in budgets]
    violating = set()
    for info in pods:
        pod = info.pod
        for i, budget in enumerate(budgets):
            if budget.metadata.namespace != pod.metadata.namespace or selectors[i].empty:
                continue
            if not selectors[i].matches(pod.metadata.labels) or pod.metadata.name in budget.status.disruptedPods:
                continue
            allowed[i] -= 1
            if allowed[i] < 0:
                violating.add(info.key)
                break
    return frozenset(violating)


def _ends_by_preemption(pod: Pod) -> bool:
    if not pod.metadata.deletionTimestamp:
        return False
    target = next((c for c in pod.status.conditions if c.type == "DisruptionTarget"), None)
    return target is not None and target.status == "True" and target.reason == PREEMPTED
