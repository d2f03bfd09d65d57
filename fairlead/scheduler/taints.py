"""Compares a node's taints with a pod's tolerations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.api.core.node.kind import Taint
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.placement.tolerations import tolerates


def untolerated(pod: Pod, taints: Iterable[Taint], effects: Sequence[str]) -> bool:
    """Returns whether the pod does not tolerate some taint of these effects."""
    return any(
        taint.effect in effects and not any(tolerates(t, taint) for t in pod.spec.tolerations) for taint in taints
    )


def tolerates_all(pod: Pod, key: str) -> bool:
    """Returns whether the pod tolerates a `NoSchedule` taint of this key."""
    return not untolerated(pod, [Taint(key=key, effect="NoSchedule")], ("NoSchedule",))
