"""TaintToleration: keeps pods away from nodes with taints that they do not tolerate."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.placement.tolerations import tolerates, untolerated
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import MAX_SCORE, Change, Cycle, Plugin, Rejection

_REJECTION = Rejection(("node(s) had untolerated taint(s)",))


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle:
    tolerations = info.pod.spec.tolerations
    soft = [t for t in tolerations if t.effect in ("", "PreferNoSchedule")]

    def filter(node: NodeInfo) -> Rejection | None:
        if node.hard_taints and untolerated(tolerations, node.hard_taints) is not None:
            return _REJECTION
        return None

    def score(nodes: Sequence[NodeInfo]) -> Sequence[int]:
        counts = [
            sum(not any(tolerates(t, taint) for t in soft) for taint in node.soft_taints) if node.soft_taints else 0
            for node in nodes
        ]
        most = max(counts)
        return [MAX_SCORE - MAX_SCORE * count // most for count in counts] if most else ()

    return Cycle(filter=filter, score=score)


def helps(pod: Pod, change: Change) -> bool:
    if change.kind is not NODE or change.new is None:
        return False
    taints = [t for t in change.new.spec.taints if t.effect in ("NoSchedule", "NoExecute")]
    return untolerated(pod.spec.tolerations, taints) is None


PLUGIN = Plugin("TaintToleration", prepare, helps, weight=3)
