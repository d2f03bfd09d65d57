"""NodeResourcesFit: the requests of all pods must fit into the node; nodes with more left are preferred."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.resources import allocatable_of, requests_of
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import MAX_SCORE, Change, Cycle, Plugin, Rejection

_SCORED = ("cpu", "memory")
_ORDER = ("cpu", "memory", "ephemeral-storage")


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle:
    requests = sorted((name, value) for name, value in info.requests.items() if value > 0)
    weights = [(name, info.weight.get(name, 0)) for name in _SCORED]

    def filter(node: NodeInfo) -> Rejection | None:
        have = node.allocatable
        if have is None:
            return None
        used = node.used
        for name, value in requests:
            if value > have.get(name, 0) - used[name]:
                return _rejection(info, node)
        if "pods" in have and len(node.pods) >= have["pods"]:
            return _rejection(info, node)
        return None

    def score(nodes: Sequence[NodeInfo]) -> Sequence[int]:
        return [_least_allocated(node, weights) for node in nodes]

    return Cycle(filter=filter, score=score)


def _rejection(info: PodInfo, node: NodeInfo) -> Rejection:
    """Returns all missing resources. Preemption cannot help if the node as a whole is too small."""
    have, used = node.allocatable or {}, node.used
    missing = [name for name, value in info.requests.items() if value > max(0, have.get(name, 0) - used[name])]
    missing.sort(key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    reasons = [f"Insufficient {name}" for name in missing]
    if "pods" in have and len(node.pods) >= have["pods"]:
        reasons.insert(0, "Too many pods")
    return Rejection(tuple(reasons), resolvable=all(info.requests[name] <= have.get(name, 0) for name in missing))


def _least_allocated(node: NodeInfo, weights: Sequence[tuple[str, int]]) -> int:
    """Returns the free share of cpu and memory once the pod is there, as a score; 100 for a node without resources."""
    have = node.allocatable
    if not have:
        return max(0, MAX_SCORE - len(node.pods))
    total = count = 0
    for name, value in weights:
        capacity = have.get(name, 0)
        if capacity:
            count += 1
            free = capacity - node.weight[name] - value
            if free > 0:
                total += free * MAX_SCORE // capacity
    return total // count if count else 0


def helps(pod: Pod, change: Change) -> bool:
    if change.kind is POD:
        if change.old is None:
            return False
        if change.new is None:
            return bool(change.old.spec.nodeName)
        own = change.new.metadata.uid == pod.metadata.uid
        return (own or bool(change.new.spec.nodeName)) and _smaller(change)
    if change.kind is not NODE or change.new is None:
        return False
    have = allocatable_of(change.new)
    if have is None:
        return True
    if any(value > have.get(name, 0) for name, value in requests_of(pod).items() if value > 0):
        return False
    return change.old is None or allocatable_of(change.old) != have


def _smaller(change: Change) -> bool:
    """Returns whether a pod's requests became smaller."""
    old, new = requests_of(change.old), requests_of(change.new)
    return any(new.get(name, 0) < value for name, value in old.items())


PLUGIN = Plugin("NodeResourcesFit", prepare, helps)
