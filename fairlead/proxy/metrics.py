"""What the proxy counts, under upstream's names, and its text for Prometheus. No I/O; time comes from the caller.

Changes are counted as informers tell of them: two additions an event. Text is made when somebody asks.
"""

from __future__ import annotations

import resource
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from fairlead import __version__
from fairlead.api.endpointslice import ENDPOINT_SLICE, EndpointSlice
from fairlead.api.service import SERVICE, Service
from fairlead.base.clock import Clock
from fairlead.base.instant import parse_time
from fairlead.proxy.backend import Metric, NoLocal
from fairlead.runtime.informer import InformerSet

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"

_SYNC_BOUNDS = tuple(0.001 * 2**n for n in range(15))
_PROGRAMMING_BOUNDS = (0.25, 0.5, *map(float, range(1, 60)), *map(float, range(60, 120, 5)), *range(120, 301, 30))
_POLICIES = ("internal", "external")
_Sample = tuple[str, str, float]
"""Suffix of the name, labels, value."""


class Histogram:
    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def samples(self, labels: str) -> Iterator[_Sample]:
        total = 0
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            total += count
            le = bound if isinstance(bound, str) else f"{bound:g}"
            yield "_bucket", f'{labels},le="{le}"' if labels else f'le="{le}"', total
        yield "_sum", labels, self.sum
        yield "_count", labels, total


@dataclass(slots=True)
class Pending:
    """What a sync is about to bring to the kernel."""

    services: int = 0
    endpoints: int = 0
    triggered: list[float] = field(default_factory=list)
    """When the changes of endpoints began, in seconds since 1970."""
    since: float | None = None
    """When the oldest of them came."""


class ProxyMetrics:
    """Of one address family."""

    def __init__(self, family: str) -> None:
        self.labels = f'ip_family="{family}"'
        self.service_changes = 0
        self.endpoint_changes = 0
        self.forgotten = 0
        self.last_queued = 0.0
        self.last_synced = 0.0
        self.duration = Histogram(_SYNC_BOUNDS)
        self.full = Histogram(_SYNC_BOUNDS)
        self.partial = Histogram(_SYNC_BOUNDS)
        self.programming = Histogram(_PROGRAMMING_BOUNDS)
        self.reconciling = Histogram(_SYNC_BOUNDS)
        self.no_local: dict[str, set[str]] = {policy: set() for policy in _POLICIES}
        self._pending = Pending()
        self._started = 0.0

    def follow(self, informers: InformerSet, clock: Clock) -> None:
        self._started = clock.now()

        def service_changed(_: str, __: Service | None, ___: Service | None) -> None:
            self.service_changes += 1
            self._pending.services += 1
            self._queued(clock.now())

        def slice_changed(_: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
            self.endpoint_changes += 1
            self._pending.endpoints += 1
            self._queued(clock.now())
            self._triggered(old, new)

        informers.of(SERVICE).add_handler(service_changed)
        informers.of(ENDPOINT_SLICE).add_handler(slice_changed)

    @property
    def waiting_since(self) -> float | None:
        return self._pending.since

    def begin(self) -> Pending:
        pending, self._pending = self._pending, Pending()
        return pending

    def put_back(self, pending: Pending) -> None:
        """The sync failed: what it was to bring still waits."""
        pending.services += self._pending.services
        pending.endpoints += self._pending.endpoints
        pending.triggered += self._pending.triggered
        pending.since = self._pending.since if pending.since is None else pending.since
        self._pending = pending

    def _queued(self, now: float) -> None:
        self.last_queued = now
        if self._pending.since is None:
            self._pending.since = now

    def end(self, pending: Pending, seconds: float, *, full: bool, clock: Clock) -> None:
        self.duration.add(seconds)
        (self.full if full else self.partial).add(seconds)
        self.last_synced = clock.now()
        for began in pending.triggered:
            self.programming.add(max(self.last_synced - began, 0.0))

    def planned(self, found: NoLocal) -> None:
        for key, lacking in found.items():
            for policy, without in self.no_local.items():
                (without.add if policy in lacking else without.discard)(key)

    def reconciled(self, seconds: float, forgotten: int) -> None:
        self.reconciling.add(seconds)
        self.forgotten += forgotten

    def _triggered(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        text = new.metadata.annotations.get(TRIGGER_TIME) if new is not None else None
        if not text or (old is not None and old.metadata.annotations.get(TRIGGER_TIME) == text):
            return
        try:
            began = parse_time(text)
        except ValueError:
            return
        # What happened before this process was there says nothing about it.
        if began >= self._started:
            self._pending.triggered.append(began)

    def samples(self) -> Iterator[Metric]:
        labels, pending = self.labels, self._pending
        for name, text, histogram in (
            ("sync_proxy_rules_duration_seconds", "Time of a sync.", self.duration),
            ("sync_full_proxy_rules_duration_seconds", "Time of a sync of the whole table.", self.full),
            ("sync_partial_proxy_rules_duration_seconds", "Time of a sync of what changed.", self.partial),
            ("network_programming_duration_seconds", "From a change of pods to the kernel.", self.programming),
            ("conntrack_reconciler_sync_duration_seconds", "Time to look for stale flows.", self.reconciling),
        ):
            yield f"kubeproxy_{name}", "histogram", text, list(histogram.samples(labels))
        for name, kind, text, value in (
            ("sync_proxy_rules_service_changes_total", "counter", "Changes of Services seen.", self.service_changes),
            ("sync_proxy_rules_service_changes_pending", "gauge", "Not yet in the kernel.", pending.services),
            ("sync_proxy_rules_endpoint_changes_total", "counter", "Changes of slices seen.", self.endpoint_changes),
            ("sync_proxy_rules_endpoint_changes_pending", "gauge", "Not yet in the kernel.", pending.endpoints),
            ("sync_proxy_rules_last_timestamp_seconds", "gauge", "When a sync last ended well.", self.last_synced),
            ("sync_proxy_rules_last_queued_timestamp_seconds", "gauge", "When a change last came.", self.last_queued),
            ("conntrack_reconciler_deleted_entries_total", "counter", "Stale flows removed.", self.forgotten),
        ):
            yield f"kubeproxy_{name}", kind, text, [("", labels, float(value))]
        without: list[_Sample] = [
            ("", f'{labels},traffic_policy="{policy}"', float(len(self.no_local[policy]))) for policy in _POLICIES
        ]
        text = "Services kept on nodes that have no endpoint on this one."
        yield "kubeproxy_sync_proxy_rules_no_local_endpoints_total", "gauge", text, without


def process_samples(clock_started: float) -> Iterator[Metric]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    build = f'git_version="v{__version__}"'
    yield "kubernetes_build_info", "gauge", "What is running, the value is always 1.", [("", build, 1.0)]
    cpu = used.ru_utime + used.ru_stime
    yield "process_cpu_seconds_total", "counter", "Of the whole agent.", [("", "", cpu)]
    memory = float(used.ru_maxrss * 1024)
    yield "process_resident_memory_max_bytes", "gauge", "The most the whole agent ever had.", [("", "", memory)]
    yield "process_start_time_seconds", "gauge", "Since 1970.", [("", "", clock_started)]


def render(metrics: Iterable[Metric]) -> str:
    """The text format; what comes several times, as for two families, is put together."""
    found: dict[str, tuple[str, str, list[_Sample]]] = {}
    for name, kind, text, samples in metrics:
        found.setdefault(name, (kind, text, []))[2].extend(samples)
    lines: list[str] = []
    for name, (kind, text, samples) in found.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [
            f"{name}{suffix}{f'{{{labels}}}' if labels else ''} {value:.15g}" for suffix, labels, value in samples
        ]
    return "\n".join(lines) + "\n"
