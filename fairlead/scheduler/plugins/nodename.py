"""NodeName: restricts a pod that names its node to that node."""

from __future__ import annotations

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import Pod
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change, Cycle, Plugin, Rejection

_REJECTION = Rejection(("node(s) didn't match the requested node name",))


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | None:
    name = info.pod.spec.nodeName
    if not name:
        return None

    def filter(node: NodeInfo) -> Rejection | None:
        return None if node.name == name else _REJECTION

    return Cycle(filter=filter)


def helps(pod: Pod, change: Change) -> bool:
    return change.kind is NODE and change.old is None


PLUGIN = Plugin("NodeName", prepare, helps)
