"""The order in which surplus pods are deleted. It is upstream's: the pods that cost users least go first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import is_ready
from fairlead.api.core.pod.rules import DELETION_COST, deletion_cost
from fairlead.base.instant import parse_time
from fairlead.controllers.workloads.podfacts import is_active, ready_since

_PHASES = {"Pending": 0, "": 0, "Unknown": 1, "Running": 2}

Rank = tuple[bool, int, bool, int, int, float, int, float, str]


def pods_to_delete(pods: Sequence[Pod], count: int, *, related: Sequence[Pod]) -> list[Pod]:
    """Returns the `count` pods to delete. `related` are all pods of the same workload: nodes with many of them lose
    pods first."""
    crowd = Counter(pod.spec.nodeName for pod in related if is_active(pod) and pod.spec.nodeName)
    return sorted(pods, key=lambda pod: _rank(pod, crowd))[:count]


def _rank(pod: Pod, crowd: Counter[str]) -> Rank:
    ready = is_ready(pod)
    restarts = max((status.restartCount for status in pod.status.containerStatuses), default=0)
    created = parse_time(pod.metadata.creationTimestamp) if pod.metadata.creationTimestamp else 0.0
    return (
        bool(pod.spec.nodeName),
        _PHASES.get(pod.status.phase, 2),
        ready,
        _cost(pod),
        -crowd[pod.spec.nodeName],
        -ready_since(pod) if ready else 0.0,
        -restarts,
        -created,
        pod.metadata.name,
    )


def _cost(pod: Pod) -> int:
    return deletion_cost(pod.metadata.annotations.get(DELETION_COST, "0")) or 0
