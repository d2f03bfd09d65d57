"""When a pod must leave a node whose taints say `NoExecute`.

What must stay true: a toleration's seconds are counted from a time that does not move between two looks: when the taint
came, or when the pod came to the tainted node, whichever is later. A taint of `kubectl taint` has no `timeAdded`; for
those the time when the controller first saw the taint stands, as upstream's taint manager does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.core.node.kind import Taint
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.tolerations import tolerates
from fairlead.base.instant import Instant, parse_time

TaintKey = tuple[str, str]
"""Key and effect: what tells the taints of a node apart."""


def first_seen(taints: Sequence[Taint], before: Mapping[TaintKey, Instant], now: Instant) -> dict[TaintKey, Instant]:
    """Returns when each taint without a time of its own was first seen. `before` is the last answer for the node."""
    keys = [(taint.key, taint.effect) for taint in taints if taint.effect == "NoExecute" and not taint.timeAdded]
    return {key: before.get(key, now) for key in keys}


def eviction_time(pod: Pod, taints: Sequence[Taint], seen: Mapping[TaintKey, Instant], now: Instant) -> Instant | None:
    """Returns None if the pod may stay. Of several tolerations of one taint the shortest counts."""
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
    """When the pod was bound to its node; when it was made, if it named the node itself."""
    bound = [c.lastTransitionTime for c in pod.status.conditions if c.type == "PodScheduled" and c.status == "True"]
    at = (bound[0] if bound else None) or pod.metadata.creationTimestamp
    return parse_time(at) if at else Instant(0.0)
