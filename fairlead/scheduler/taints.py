"""Whether a pod puts up with a node's taints. Source: the documentation of taints and tolerations.

The node controller has the same rule for evicting; components do not import each other, and it is short.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.api.affinity import Toleration
from fairlead.api.node import Taint
from fairlead.api.pod import Pod


def untolerated(pod: Pod, taints: Iterable[Taint], effects: Sequence[str]) -> bool:
    """Whether any taint of these effects keeps the pod away."""
    return any(
        taint.effect in effects and not any(tolerates(t, taint) for t in pod.spec.tolerations) for taint in taints
    )


def tolerates_all(pod: Pod, key: str) -> bool:
    """Whether the pod tolerates a `NoSchedule` taint of this key."""
    return not untolerated(pod, [Taint(key=key, effect="NoSchedule")], ("NoSchedule",))


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """An empty key with `Exists` tolerates every key; an empty effect every effect."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value
