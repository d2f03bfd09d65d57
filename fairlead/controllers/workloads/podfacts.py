"""Facts about pods that several controllers need."""

from __future__ import annotations

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import condition, is_finished, is_ready
from fairlead.api.meta.types import LabelSelector
from fairlead.base.instant import Instant, parse_time
from fairlead.machinery.values.selectors import LabelRequirements, from_label_selector

_NEVER = Instant(float("inf"))


def is_active(pod: Pod) -> bool:
    """Returns whether the pod is neither finished nor terminating."""
    return not is_finished(pod) and not pod.metadata.deletionTimestamp


def ready_since(pod: Pod) -> Instant:
    """Returns when the pod became ready: the end of time for a pod that is not ready, the beginning if the time is not
    recorded."""
    ready = condition(pod, "Ready")
    if ready is None or ready.status != "True":
        return _NEVER
    return parse_time(ready.lastTransitionTime) if ready.lastTransitionTime else Instant(0.0)


def available_from(pod: Pod, min_ready_s: int) -> Instant:
    """Returns when the pod has been ready for `min_ready_s`; the end of time if the pod is not ready."""
    return Instant(ready_since(pod) + min_ready_s)


def is_available(pod: Pod, min_ready_s: int, now: Instant) -> bool:
    """Returns whether the pod has been ready for `min_ready_s`."""
    return is_ready(pod) and (min_ready_s <= 0 or available_from(pod, min_ready_s) <= now)


def requirements(selector: LabelSelector | None) -> LabelRequirements | None:
    """Returns the selector of a workload; None for one that selects nothing or everything (workloads allow neither)."""
    if selector is None or not (selector.matchLabels or selector.matchExpressions):
        return None
    return from_label_selector(selector)
