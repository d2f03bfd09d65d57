"""Matching of tolerations and taints. Source: the documentation of taints and tolerations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.api.core.node.kind import Taint
from fairlead.api.core.pod.placement.affinity import Toleration


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Returns true if the toleration matches the taint. An empty key with `Exists` matches every key; an empty effect
    matches every effect."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def untolerated(tolerations: Sequence[Toleration], taints: Iterable[Taint]) -> Taint | None:
    """Returns the first taint that no toleration matches, or None."""
    return next((taint for taint in taints if not any(tolerates(t, taint) for t in tolerations)), None)
