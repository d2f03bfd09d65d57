"""The pods that wait for a node: ready to be tried, waiting for a change that can help, or backing off.

What must stay true: pods of higher priority are tried first, of equal priority in the order in which they came. A pod
that fits nowhere is tried again if a plug-in that rejected it says that a change can help, and every five minutes. It
waits from one second up to ten between two tries, unless nothing else is to be tried.

No clock and no I/O: the caller gives the time.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass, field
from fairlead.scheduler.cache.podinfo import group_of
from fairlead.scheduler.framework import Change, Helps

_FIRST_WAIT_S = 1.0
_MOST_WAIT_S = 10.0
_FLUSH_S = 300.0
_EARLY_S = 0.25
"""Seconds between two tries of a pod even if nothing else is to be tried: changes come in bursts."""


@dataclass(slots=True)
class _Waiting:
    """A pod without a node."""

    key: str
    pod: Pod
    number: int
    since: float
    """The time at which the pod entered the queue."""
    attempts: int = 0
    tried_at: float = float("-inf")
    plugins: frozenset[str] = frozenset()
    """The plug-ins that rejected the pod in the last try."""
    signature: bytes = b""
    state: str = "active"
    """`active`, `backoff`, `parked` or `busy`."""

    @property
    def rank(self) -> tuple[int, int]:
        return -(self.pod.spec.priority or 0), self.number

    def wait_s(self) -> float:
        return min(_MOST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self.attempts - 1, 10)) if self.attempts else 0.0


@dataclass(slots=True)
class SchedulingQueue:
    """`put` and `drop` follow the pods; `pop` gives one to try, and after a try follows `park`, `retry` or `drop`."""

    helps: Mapping[str, Helps]
    """Functions, by plug-in, that say whether a change can help a pod that the plug-in rejected."""
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    _active: list[tuple[tuple[int, int], str]] = field(default_factory=list)
    _backoff: list[tuple[float, int, str]] = field(default_factory=list)
    """Pods that back off by the end of their back-off, with their number of attempts: other entries are old."""
    _early: list[tuple[float, int, str]] = field(default_factory=list)
    """The same by the time from which they may be tried if nothing else is to be tried."""
    _idle: list[tuple[tuple[int, int], int, str]] = field(default_factory=list)
    """The same by rank, after that time."""
    _count: int = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: object) -> bool:
        return key in self._waiting

    def put(self, key: str, pod: Pod, now: float) -> None:
        """Adds a pod, or notes its present state. A pod that is parked stays parked: see `wake`."""
        waiting = self._waiting.get(key)
        if waiting is not None and waiting.pod.metadata.uid == pod.metadata.uid:
            waiting.pod = pod
            return
        self._count += 1
        self._waiting[key] = one = _Waiting(key, pod, self._count, now)
        heapq.heappush(self._active, (one.rank, key))

    def record_of(self, key: str) -> tuple[int, float] | None:
        """Returns the number of failed tries of a pod and the time at which it came; None for an unknown pod."""
        waiting = self._waiting.get(key)
        return (waiting.attempts, waiting.since) if waiting is not None else None

    def counts(self) -> Counter[str]:
        """Returns the number of pods by state."""
        return Counter(waiting.state for waiting in self._waiting.values())

    def drop(self, key: str) -> None:
        """Removes a pod that is placed or gone. Entries in the heaps stay until they are popped."""
        self._waiting.pop(key, None)

    def pop(self, now: float) -> tuple[str, Pod] | None:
        """Returns the next pod to try, or None if there is nothing to try now."""
        for heap, move in ((self._backoff, self._activate), (self._early, self._may_be_tried)):
            while heap and heap[0][0] <= now:
                _, attempts, key = heapq.heappop(heap)
                if self._backs_off(key, attempts):
                    move(self._waiting[key])
        waiting = self._next_active() or self._next_idle()
        if waiting is None:
            return None
        waiting.state = "busy"
        return waiting.key, waiting.pod

    def next_at(self) -> float | None:
        """Returns the time at which the next pod is due that backs off, or None."""
        while self._early and not self._backs_off(self._early[0][2], self._early[0][1]):
            heapq.heappop(self._early)
        return self._early[0][0] if self._early else None

    def park(self, key: str, plugins: frozenset[str], now: float) -> None:
        """Puts a pod aside that fits nowhere."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.attempts += 1
            waiting.tried_at = now
            waiting.plugins = plugins
            waiting.signature = signature_of(waiting.pod)
            waiting.state = "parked"

    def retry(self, key: str, now: float) -> None:
        """Tries the pod again after its back-off: an error, and not the cluster's state, was in the way."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.attempts += 1
            waiting.tried_at = now
            self._back_off(waiting)

    def wake(self, changes: Iterable[Change]) -> None:
        """Tries those parked pods again that a change can help. Equal pods are asked once."""
        batch = list(changes)
        asked: dict[tuple[bytes, frozenset[str]], bool] = {}
        for waiting in [w for w in self._waiting.values() if w.state == "parked"]:
            group = (waiting.signature, waiting.plugins)
            if group not in asked:
                asked[group] = self._helped(waiting, batch)
            if asked[group]:
                self._back_off(waiting)

    def wake_one(self, key: str, change: Change) -> None:
        """Tries a parked pod again if the change, one of the pod itself, can help."""
        waiting = self._waiting.get(key)
        if waiting is not None and waiting.state == "parked" and self._helped(waiting, [change]):
            self._back_off(waiting)

    def wake_all(self, keys: Iterable[str]) -> None:
        """Tries these pods again at once, if they are parked."""
        for key in keys:
            if self._is(key, "parked"):
                self._activate(self._waiting[key])

    def flush(self, now: float) -> None:
        """Tries those pods again that have been parked for five minutes."""
        for waiting in list(self._waiting.values()):
            if waiting.state == "parked" and waiting.tried_at + _FLUSH_S <= now:
                self._back_off(waiting)

    def _helped(self, waiting: _Waiting, changes: Iterable[Change]) -> bool:
        functions: list[Callable[[Pod, Change], bool]] = [self.helps[name] for name in sorted(waiting.plugins)]
        return any(helps(waiting.pod, change) for change in changes for helps in functions)

    def _back_off(self, waiting: _Waiting) -> None:
        waiting.state = "backoff"
        wait = waiting.wait_s()
        heapq.heappush(self._backoff, (waiting.tried_at + wait, waiting.attempts, waiting.key))
        heapq.heappush(self._early, (waiting.tried_at + min(_EARLY_S, wait), waiting.attempts, waiting.key))

    def _activate(self, waiting: _Waiting) -> None:
        waiting.state = "active"
        heapq.heappush(self._active, (waiting.rank, waiting.key))

    def _may_be_tried(self, waiting: _Waiting) -> None:
        heapq.heappush(self._idle, (waiting.rank, waiting.attempts, waiting.key))

    def _next_active(self) -> _Waiting | None:
        while self._active:
            _, key = heapq.heappop(self._active)
            if self._is(key, "active"):
                return self._waiting[key]
        return None

    def _next_idle(self) -> _Waiting | None:
        while self._idle:
            _, attempts, key = heapq.heappop(self._idle)
            if self._backs_off(key, attempts):
                return self._waiting[key]
        return None

    def _backs_off(self, key: str, attempts: int) -> bool:
        return self._is(key, "backoff") and self._waiting[key].attempts == attempts

    def _is(self, key: str, state: str) -> bool:
        waiting = self._waiting.get(key)
        return waiting is not None and waiting.state == state


def signature_of(pod: Pod) -> bytes:
    """Returns the same bytes for pods that every plug-in treats alike."""
    meta, spec = pod.metadata, pod.spec
    return msgspec.json.encode(
        (
            (meta.namespace, meta.labels, group_of(pod)),
            (spec.nodeName, spec.nodeSelector, spec.affinity, spec.tolerations, spec.topologySpreadConstraints),
            [_facts(c) for c in (*spec.initContainers, *spec.containers)],
            (spec.overhead, spec.resources, spec.hostNetwork),
            (spec.priority, spec.preemptionPolicy),
            [v for v in spec.volumes if v.projected is None],
            meta.name if any(v.ephemeral is not None for v in spec.volumes) else "",
        )
    )


def _facts(container: Container) -> tuple[object, ...]:
    return container.image, container.restartPolicy, container.resources, container.ports
