"""NodeResourcesBalancedAllocation: prefers nodes whose shares of used cpu and memory the pod brings together."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.core.pod.kind import Pod
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import MAX_SCORE, Change, Cycle, Plugin


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | None:
    cpu, memory = info.requests.get("cpu", 0), info.requests.get("memory", 0)
    if not (cpu or memory):
        return None

    def score(nodes: Sequence[NodeInfo]) -> Sequence[int]:
        return [_change(node, cpu, memory) for node in nodes]

    return Cycle(score=score)


def _change(node: NodeInfo, cpu: int, memory: int) -> int:
    """Returns 75 if the pod leaves the balance as it is; more if it improves the balance, up to 100, otherwise less."""
    have = node.allocatable or {}
    most_cpu, most_memory = have.get("cpu", 0), have.get("memory", 0)
    if not (most_cpu and most_memory):
        return MAX_SCORE * 3 // 4
    used = node.used
    before = abs(min(1.0, used["cpu"] / most_cpu) - min(1.0, used["memory"] / most_memory)) / 2
    after = abs(min(1.0, (used["cpu"] + cpu) / most_cpu) - min(1.0, (used["memory"] + memory) / most_memory)) / 2
    half = MAX_SCORE // 2
    return half + (half + int((1 - after) * MAX_SCORE) - int((1 - before) * MAX_SCORE)) // 2


def helps(pod: Pod, change: Change) -> bool:
    return False


PLUGIN = Plugin("NodeResourcesBalancedAllocation", prepare, helps)
