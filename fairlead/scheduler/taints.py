"""Whether a node's taints keep a pod away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.api.core.node.kind import Taint
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.tolerations import tolerates


def untolerated(pod: Pod, taints: Iterable[Taint], effects: Sequence[str]) -> bool:
    """Whether any taint of these effects keeps the pod away."""
    return any(
        taint.effect in effects and not any(tolerates(t, taint) for t in pod.spec.tolerations) for taint in taints
    )


def tolerates_all(pod: Pod, key: str) -> bool:
    """Whether the pod tolerates a `NoSchedule` taint of this key."""
    return not untolerated(pod, [Taint(key=key, effect="NoSchedule")], ("NoSchedule",))
