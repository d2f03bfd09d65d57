"""When a pod must leave a node whose taints say `NoExecute`."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.node import Taint
from fairlead.api.pod import Pod
from fairlead.api.tolerations import tolerates
from fairlead.base.instant import Instant, parse_time


def eviction_time(pod: Pod, taints: Sequence[Taint], now: Instant) -> Instant | None:
    """None where the pod may stay. Of several tolerations of one taint the shortest counts."""
    times = [_leaves(pod, taint, now) for taint in taints if taint.effect == "NoExecute"]
    return min((at for at in times if at is not None), default=None)


def _leaves(pod: Pod, taint: Taint, now: Instant) -> Instant | None:
    matching = [t for t in pod.spec.tolerations if tolerates(t, taint)]
    if not matching:
        return now
    limits = [t.tolerationSeconds for t in matching if t.tolerationSeconds is not None]
    if not limits:
        return None
    since = parse_time(taint.timeAdded) if taint.timeAdded else now
    return Instant(since + max(0, min(limits)))
