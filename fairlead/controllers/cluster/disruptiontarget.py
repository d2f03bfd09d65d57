"""The condition DisruptionTarget: says that a pod is about to be deleted, and by which component."""

from __future__ import annotations

import msgspec

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.status import PodCondition
from fairlead.base.instant import Instant, render_time

_TYPE = "DisruptionTarget"


def is_marked(pod: Pod) -> bool:
    return any(c.type == _TYPE and c.status == "True" for c in pod.status.conditions)


def marked(pod: Pod, reason: str, message: str, now: Instant) -> Pod:
    """Returns the pod with the condition."""
    condition = PodCondition(
        type=_TYPE,
        status="True",
        reason=reason,
        message=message,
        observedGeneration=pod.metadata.generation or 0,
        lastTransitionTime=render_time(now),
    )
    conditions = [*(c for c in pod.status.conditions if c.type != _TYPE), condition]
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, conditions=conditions))
