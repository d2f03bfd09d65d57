"""The metrics of the proxy, under upstream's names, as text for Prometheus. No I/O; the caller passes the time.

Changes are counted when informers report them: two additions for each event. The text is made on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import parse_time
from fairlead.base.metrics import Family, Histogram, Labels, Sample, Type
from fairlead.proxy.planning.backend import NoLocal
from fairlead.runtime.informer import InformerSet
from fairlead.service.wellknown import TRIGGER_TIME_ANNOTATION

_SYNC_BOUNDS = tuple(0.001 * 2**n for n in range(15))
_PROGRAMMING_BOUNDS = (0.25, 0.5, *map(float, range(1, 60)), *map(float, range(60, 120, 5)), *range(120, 301, 30))
_POLICIES = ("internal", "external")


@dataclass(slots=True)
class Pending:
    """The changes that a sync is about to bring to the kernel."""

    services: int = 0
    endpoints: int = 0
    triggered: list[float] = field(default_factory=list)
    """Start times of the changes of endpoints, in seconds since 1970."""
    since: float | None = None
    """Arrival of the oldest change."""


class ProxyMetrics:
    """The metrics of one address family."""

    def __init__(self, family: str) -> None:
        self.labels: Labels = (("ip_family", family),)
        self.service_changes = 0
        self.endpoint_changes = 0
        self.deleted = 0
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
        """Restores the changes of a failed sync: they still wait."""
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

    def planned(self, no_local: NoLocal) -> None:
        for key, lacking in no_local.items():
            for policy, without in self.no_local.items():
                (without.add if policy in lacking else without.discard)(key)

    def reconciled(self, seconds: float, deleted: int) -> None:
        self.reconciling.add(seconds)
        self.deleted += deleted

    def _triggered(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        text = new.metadata.annotations.get(TRIGGER_TIME_ANNOTATION) if new is not None else None
        if not text or (old is not None and old.metadata.annotations.get(TRIGGER_TIME_ANNOTATION) == text):
            return
        try:
            began = parse_time(text)
        except ValueError:
            return
        # Changes from before the start of this process say nothing about its latency.
        if began >= self._started:
            self._pending.triggered.append(began)

    def families(self) -> Iterator[Family]:
        labels, pending = self.labels, self._pending
        for name, text, histogram in (
            ("sync_proxy_rules_duration_seconds", "Time of a sync.", self.duration),
            ("sync_full_proxy_rules_duration_seconds", "Time of a sync of the whole table.", self.full),
            ("sync_partial_proxy_rules_duration_seconds", "Time of a sync of what changed.", self.partial),
            ("network_programming_duration_seconds", "Time from a change of Pods to the kernel.", self.programming),
            ("conntrack_reconciler_sync_duration_seconds", "Time to find stale conntrack entries.", self.reconciling),
        ):
            yield Family(f"kubeproxy_{name}", "histogram", text, list(histogram.samples(labels)))
        for name, type_, text, value in _NUMBERS:
            yield Family(f"kubeproxy_{name}", type_, text, [Sample(value(self, pending), labels)])
        without = [Sample(len(self.no_local[policy]), (*labels, ("traffic_policy", policy))) for policy in _POLICIES]
        text = "Services with a Local traffic policy and no endpoint on this node."
        yield Family("kubeproxy_sync_proxy_rules_no_local_endpoints_total", "gauge", text, without)


_NUMBERS: tuple[tuple[str, Type, str, Callable[[ProxyMetrics, Pending], float]], ...] = (
    (
        "sync_proxy_rules_service_changes_total",
        "counter",
        "Changes of Services received.",
        lambda m, _: m.service_changes,
    ),
    (
        "sync_proxy_rules_service_changes_pending",
        "gauge",
        "Changes of Services that are not in the kernel yet.",
        lambda _, p: p.services,
    ),
    (
        "sync_proxy_rules_endpoint_changes_total",
        "counter",
        "Changes of EndpointSlices received.",
        lambda m, _: m.endpoint_changes,
    ),
    (
        "sync_proxy_rules_endpoint_changes_pending",
        "gauge",
        "Changes of EndpointSlices that are not in the kernel yet.",
        lambda _, p: p.endpoints,
    ),
    (
        "sync_proxy_rules_last_timestamp_seconds",
        "gauge",
        "End of the last successful sync, in seconds since 1970.",
        lambda m, _: m.last_synced,
    ),
    (
        "sync_proxy_rules_last_queued_timestamp_seconds",
        "gauge",
        "Arrival of the last change, in seconds since 1970.",
        lambda m, _: m.last_queued,
    ),
    (
        "conntrack_reconciler_deleted_entries_total",
        "counter",
        "Stale conntrack entries deleted.",
        lambda m, _: m.deleted,
    ),
)
