"""Predicates on a pod's status."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.api.core.pod.status import PodCondition
    from fairlead.api.core.pod.types import Pod


def condition(pod: Pod, type: str) -> PodCondition | None:
    return next((c for c in pod.status.conditions if c.type == type), None)


def is_ready(pod: Pod) -> bool:
    # A plain loop, because one change of a large workload causes a thousand calls.
    for c in pod.status.conditions:
        if c.type == "Ready":
            return c.status == "True"
    return False


def is_finished(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")
