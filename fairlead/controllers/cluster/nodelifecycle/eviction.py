"""The time at which a pod must leave a node that has `NoExecute` taints.

What must stay true: a toleration's seconds are counted from a time that stays the same in each reconcile: the time when
the taint was added, or when the pod was bound to the tainted node, whichever is later. A taint of `kubectl taint` has
no `timeAdded`; for such a taint, the time when the controller first saw it counts, as in upstream's taint manager.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.core.node.kind import Taint
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.placement.tolerations import tolerates
from fairlead.base.instant import Instant, parse_time

TaintKey = tuple[str, str]
"""Key and effect, which identify a taint of a node."""


def first_seen(taints: Sequence[Taint], before: Mapping[TaintKey, Instant], now: Instant) -> dict[TaintKey, Instant]:
    """Returns when each taint without `timeAdded` was first seen. `before` is the last result for the node."""
    keys = [(taint.key, taint.effect) for taint in taints if taint.effect == "NoExecute" and not taint.timeAdded]
    return {key: before.get(key, now) for key in keys}


def eviction_time(pod: Pod, taints: Sequence[Taint], seen: Mapping[TaintKey, Instant], now: Instant) -> Instant | None:
    """Returns the time of eviction; None if the pod may stay. If several tolerations match one taint, the shortest
    counts."""
    times = [_leaves(pod, taint, seen, now) for taint in taints if taint.effect == "NoExecute"]
    return min((at for at in times if at is not None), default=None)


def _leaves(pod: Pod, taint: Taint, seen: Mapping[TaintKey, Instant], now: Instant) -> Instant | None:
    matching = [t for t in pod.spec.tolerations if tolerates(t, taint)]
    if not matching:
        return now
    limits = [t.tolerationSeconds for t in matching if t.tolerationSeconds is not None]
    if not limits:
        return None
    added = parse_time(taint.timeAdded) if taint.timeAdded else seen.get((taint.key, taint.effect), now)
    return Instant(max(added, _arrived(pod)) + max(0, min(limits)))


def _arrived(pod: Pod) -> Instant:
    """Returns when the pod was bound to its node, or its creation time if it was created with `nodeName`."""
    bound = [c.lastTransitionTime for c in pod.status.conditions if c.type == "PodScheduled" and c.status == "True"]
    at = (bound[0] if bound else None) or pod.metadata.creationTimestamp
    return parse_time(at) if at else Instant(0.0)
