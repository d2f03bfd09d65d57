"""When the change came about that endpoints are written for: the annotation `last-change-trigger-time`.

Consumers measure with it how long a change needs to reach the kernel. The time is the one that the objects themselves
record, as upstream's `TriggerTimeTracker` takes it: since when a pod is as ready as it is, when a Service was made.
Recorded times are in whole seconds. While they agree with the time when the change was seen here, that more exact time
stands. They disagree after an outage, or when a write is repeated: there the present time would hide the delay.
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
    """Keeps, by the key of a Service, what was seen and not written yet, and what was recorded at the last look."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, Instant] = {}
        self._recorded: dict[str, dict[str, Instant]] = {}
        self._looked: dict[str, Instant] = {}

    def touch(self, key: str) -> None:
        """Something that concerns the Service has changed."""
        self._seen.setdefault(key, self._clock.now())

    def take(self, key: str, service: Service, pods: Sequence[Pod]) -> Instant:
        """Returns the time for what is written now."""
        seen = self._seen.pop(key, self._clock.now())
        now, before = dict(_recorded(service, pods)), self._recorded.get(key)
        self._recorded[key] = now
        if before is None:  # the first look since the start: the last change is what can have been missed
            changed = [max(now.values(), default=seen)]
        else:
            # A pod that is new behind the Service may have been ready for days, and its labels changed just now.
            looked = self._looked[key]
            changed = [at for name, at in now.items() if at > before.get(name, looked)]
        self._looked[key] = self._clock.now()
        earliest = min(changed, default=seen)
        return earliest if seen - earliest > _AGREES_S else seen

    def restore(self, key: str, at: Instant) -> None:
        """What was taken could not be written, and is still to be."""
        self._seen[key] = min(at, self._seen.get(key, at))

    def forget(self, key: str) -> None:
        self._seen.pop(key, None)
        self._recorded.pop(key, None)
        self._looked.pop(key, None)


def _recorded(service: Service, pods: Sequence[Pod]) -> Iterator[tuple[str, Instant]]:
    if service.metadata.creationTimestamp:
        yield "", parse_time(service.metadata.creationTimestamp)
    for pod in pods:
        ready = condition(pod, "Ready")
        if ready is not None and ready.lastTransitionTime:
            yield pod.metadata.name, parse_time(ready.lastTransitionTime)
