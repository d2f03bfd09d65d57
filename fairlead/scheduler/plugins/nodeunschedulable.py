"""NodeUnschedulable: keeps pods away from cordoned nodes."""

from __future__ import annotations

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import Pod
from fairlead.scheduler.cache.nodeinfo import CORDONED, NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change, Cycle, Plugin, Rejection
from fairlead.scheduler.taints import tolerates_all

_REJECTION = Rejection(("node(s) were unschedulable",))


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | None:
    if tolerates_all(info.pod, CORDONED):
        return None
    return Cycle(filter=_filter)


def _filter(node: NodeInfo) -> Rejection | None:
    return _REJECTION if node.node.spec.unschedulable else None


def helps(pod: Pod, change: Change) -> bool:
    return change.kind is NODE and change.new is not None and not change.new.spec.unschedulable


PLUGIN = Plugin("NodeUnschedulable", prepare, helps)
