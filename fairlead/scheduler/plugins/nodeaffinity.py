"""NodeAffinity: the pod's nodeSelector and its required and preferred node affinity."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.nodeterms import matches_required, preferred_weight
from fairlead.api.core.pod.placement.affinity import NodeSelectorTerm
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import MAX_SCORE, Change, Cycle, Plugin, Rejection

_REJECTION = Rejection(("node(s) didn't match Pod's node affinity/selector",))
_CONFLICT = Rejection(("pod affinity terms conflict",))


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | Rejection | None:
    pod = info.pod
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    preferred = affinity.preferredDuringSchedulingIgnoredDuringExecution if affinity else ()
    if not (required or preferred or pod.spec.nodeSelector):
        return None
    names = _names(required.nodeSelectorTerms) if required is not None else None
    if names is not None and not names:
        return _CONFLICT

    def filter(node: NodeInfo) -> Rejection | None:
        return None if matches_required(pod, node.node) else _REJECTION

    def score(nodes: Sequence[NodeInfo]) -> Sequence[int]:
        weights = [preferred_weight(pod, node.node) for node in nodes]
        most = max(weights)
        return [MAX_SCORE * weight // most for weight in weights] if most else ()

    return Cycle(filter=filter, score=score if preferred else None, nodes=names)


def _names(terms: Sequence[NodeSelectorTerm]) -> frozenset[str] | None:
    """Returns the names of the nodes that the terms allow by `metadata.name`; None if a term names no nodes."""
    allowed: set[str] = set()
    for term in terms:
        lists = [set(r.values) for r in term.matchFields if r.key == "metadata.name" and r.operator == "In"]
        if not lists:
            return None
        allowed |= set.intersection(*lists)
    return frozenset(allowed) if terms else None


def helps(pod: Pod, change: Change) -> bool:
    return change.kind is NODE and change.new is not None and matches_required(pod, change.new)


PLUGIN = Plugin("NodeAffinity", prepare, helps, weight=2)
