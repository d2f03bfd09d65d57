"""What a Pod's status says about it."""

from __future__ import annotations

from fairlead.api.core.pod.status import PodCondition
from fairlead.api.core.pod.types import Pod


def condition(pod: Pod, type: str) -> PodCondition | None:
    return next((c for c in pod.status.conditions if c.type == type), None)


def is_ready(pod: Pod) -> bool:
    # A plain loop: this is asked a thousand times for one change of a big workload.
    for c in pod.status.conditions:
        if c.type == "Ready":
            return c.status == "True"
    return False


def is_finished(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")
