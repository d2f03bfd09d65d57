"""Metrics of the scheduler, under upstream's names. `kubectl get --raw /metrics` shows them: the scheduler is part of
the API server's process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fairlead.base.clock import Clock
from fairlead.base.metrics import Family, Histogram, Sample, counter
from fairlead.scheduler.names import NAME

SCHEDULED, UNSCHEDULABLE, ERROR = "scheduled", "unschedulable", "error"
QUEUES = ("active", "backoff", "unschedulable", "gated")
_MANY = 15
"""Pods with this number of attempts or more share one label, as upstream's."""
_PROFILE = ("profile", NAME)


def _doubled(first: float, count: int) -> tuple[float, ...]:
    """Returns the bounds of buckets, each double the one before (upstream: ExponentialBuckets)."""
    return tuple(first * 2**power for power in range(count))


_ATTEMPT_S = _doubled(0.001, 15)
_TOTAL_S = _doubled(0.01, 20)
_ATTEMPTS = _doubled(1, 5)
_VICTIMS = _doubled(1, 7)


def _no_pods() -> Mapping[str, int]:
    return {}


class SchedulerMetrics:
    """Counts attempts to place pods, and renders them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.pending: Callable[[], Mapping[str, int]] = _no_pods
        """Returns the number of pods in each of `QUEUES`; set when the scheduler runs."""
        self._attempts: dict[str, Histogram] = {}
        """Durations by result."""
        self._totals: dict[str, Histogram] = {}
        """Times from the queue to the node, by the number of attempts."""
        self._tries = Histogram(_ATTEMPTS)
        self._victims = Histogram(_VICTIMS)
        self._preemptions = 0

    def begin(self) -> float:
        """Returns the time at which an attempt begins."""
        return self._clock.monotonic()

    def attempted(self, result: str, begin: float) -> None:
        """Counts an attempt to place a pod that ends now."""
        self._attempts.setdefault(result, Histogram(_ATTEMPT_S)).add(self._clock.monotonic() - begin)

    def placed(self, attempts: int, seconds: float) -> None:
        """Counts a pod that has a node now: its number of attempts, and the time since the pod entered the queue."""
        self._tries.add(attempts)
        label = str(attempts) if attempts < _MANY else f"{_MANY}+"
        self._totals.setdefault(label, Histogram(_TOTAL_S)).add(seconds)

    def preempted(self, victims: int) -> None:
        """Counts a search for evictions that make room, and the chosen pods."""
        self._preemptions += 1
        if victims:
            self._victims.add(victims)

    def families(self) -> Iterator[Family]:
        attempts = sorted(self._attempts.items())
        yield Family(
            "scheduler_schedule_attempts_total",
            "counter",
            "Attempts to schedule a Pod, by their result: `error` is a failure of the scheduler or of the API.",
            [Sample(sum(h.counts), (_PROFILE, ("result", result))) for result, h in attempts],
        )
        yield Family(
            "scheduler_scheduling_attempt_duration_seconds",
            "histogram",
            "Time of an attempt to schedule a Pod, with the binding.",
            [sample for result, h in attempts for sample in h.samples((_PROFILE, ("result", result)))],
        )
        yield Family(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "histogram",
            "Time from the queue to the binding of a Pod, over all attempts.",
            [s for label, h in sorted(self._totals.items()) for s in h.samples((("attempts", label),))],
        )
        tries, victims = list(self._tries.samples()), list(self._victims.samples())
        yield Family("scheduler_pod_scheduling_attempts", "histogram", "Attempts until a Pod was bound.", tries)
        pending = self.pending()
        yield Family(
            "scheduler_pending_pods",
            "gauge",
            "Pods without a node, by queue: `unschedulable` ones wait for a change, `gated` ones for their gates.",
            [Sample(pending.get(queue, 0), (("queue", queue),)) for queue in sorted(QUEUES)],
        )
        text = "Searches for Pods of lower priority whose eviction makes room."
        yield counter("scheduler_preemption_attempts_total", text, self._preemptions)
        yield Family("scheduler_preemption_victims", "histogram", "Pods that were evicted for another Pod.", victims)
