"""NodePorts: the host ports of a pod must be free on its node."""

from __future__ import annotations

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.hostports import conflicts, host_ports
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change, Cycle, Plugin, Rejection

_REJECTION = Rejection(("node(s) didn't have free ports for the requested pod ports",), resolvable=True)


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | None:
    ports = info.ports
    if not ports:
        return None

    def filter(node: NodeInfo) -> Rejection | None:
        return _REJECTION if node.ports and conflicts(ports, node.ports) else None

    return Cycle(filter=filter)


def helps(pod: Pod, change: Change) -> bool:
    if change.kind is NODE:
        return change.new is not None
    gone = change.kind is POD and change.new is None and bool(change.old.spec.nodeName)
    return gone and conflicts(host_ports(pod), host_ports(change.old))


PLUGIN = Plugin("NodePorts", prepare, helps)
