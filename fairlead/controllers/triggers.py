"""The time of the change that endpoints are written for: the annotation `last-change-trigger-time`.

Consumers measure with it how long a change takes to reach the kernel. As in upstream's `TriggerTimeTracker`, the time
comes from the objects: the last transition of a pod's readiness, or the creation of a Service.

Recorded times are in whole seconds. If a recorded time agrees with the time when the change was seen here, the latter
is used, since it is more exact. They disagree after an outage, or if a write is repeated: then the present time would
hide the delay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import condition
from fairlead.api.core.service.kind import Service
from fairlead.base.clock import Clock
from fairlead.base.instant import Instant, parse_time

_AGREES_S = 2.0


class TriggerTimes:
    """Holds, by the key of a Service, the changes seen and not written yet, and the times recorded by the last
    reconcile."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, Instant] = {}
        self._recorded: dict[str, dict[str, Instant]] = {}
        self._reconciled: dict[str, Instant] = {}

    def record_change(self, key: str) -> None:
        """Records a change that affects the Service."""
        self._seen.setdefault(key, self._clock.now())

    def drain(self, key: str, service: Service, pods: Sequence[Pod]) -> Instant:
        """Returns the trigger time for the next write and clears it."""
        seen = self._seen.pop(key, self._clock.now())
        now, before = dict(_recorded(service, pods)), self._recorded.get(key)
        self._recorded[key] = now
        if before is None:  # the first reconcile since the start: the last recorded change may have been missed
            changed = [max(now.values(), default=seen)]
        else:
            # A pod that is newly selected may have been ready for days; its labels have changed just now.
            reconciled = self._reconciled[key]
            changed = [at for name, at in now.items() if at > before.get(name, reconciled)]
        self._reconciled[key] = self._clock.now()
        earliest = min(changed, default=seen)
        return earliest if seen - earliest > _AGREES_S else seen

    def restore(self, key: str, at: Instant) -> None:
        """Puts a time back after a failed write."""
        self._seen[key] = min(at, self._seen.get(key, at))

    def delete(self, key: str) -> None:
        self._seen.pop(key, None)
        self._recorded.pop(key, None)
        self._reconciled.pop(key, None)


def _recorded(service: Service, pods: Sequence[Pod]) -> Iterator[tuple[str, Instant]]:
    if service.metadata.creationTimestamp:
        yield "", parse_time(service.metadata.creationTimestamp)
    for pod in pods:
        ready = condition(pod, "Ready")
        if ready is not None and ready.lastTransitionTime:
            yield pod.metadata.name, parse_time(ready.lastTransitionTime)
