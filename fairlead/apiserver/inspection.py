"""Metrics of the server's parts, under upstream's names, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fairlead.apiserver.aggregation.registry import Aggregation
from fairlead.apiserver.core import Core
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.watch import WatchStream
from fairlead.base.metrics import Family, Sample, counter


def part_families(resources: Resources, aggregation: Aggregation, core: Core) -> Iterator[Family]:
    """Yields what the caches, the aggregation and the audit log count."""
    stored = [resource for resource in resources if resource.kind.conversion is None and not resource.kind.computed]
    yield Family(
        "apiserver_storage_objects",
        "gauge",
        "Objects by resource.",
        [Sample(len(resource.cache), (("resource", resource.kind.resource),)) for resource in stored],
    )
    yield Family(
        "apiserver_resource_objects",
        "gauge",
        "Objects by group and resource.",
        [Sample(len(r.cache), (("group", r.kind.group), ("resource", r.kind.plural))) for r in stored],
    )
    yield Family(
        "apiserver_watch_events_total",
        "counter",
        "Events sent to watchers.",
        [
            Sample(
                resource.cache.events_sent,
                (
                    ("group", resource.kind.group),
                    ("resource", resource.kind.plural),
                    ("version", resource.kind.version),
                ),
            )
            for resource in resources
            if resource.cache.events_sent
        ],
    )
    yield Family(
        "apiserver_registered_watchers",
        "gauge",
        "Watches by group, version and kind.",
        list(_watchers(resources)),
    )
    yield Family(
        "aggregator_unavailable_apiservice",
        "gauge",
        "1 if the server of an APIService does not answer.",
        [Sample(not remote.available, (("name", remote.name),)) for remote in aggregation],
    )
    yield from _audit_families(core)


def _watchers(resources: Resources) -> Iterable[Sample]:
    for resource in resources:
        if count := sum(isinstance(listener, WatchStream) for listener in resource.cache.listeners):
            kind = resource.kind
            yield Sample(count, (("group", kind.group), ("kind", kind.kind), ("version", kind.version)))


def _audit_families(core: Core) -> Iterator[Family]:
    if core.auditor is None:
        return
    log = core.auditor.log
    yield counter("apiserver_audit_event_total", "Events written to the audit log.", log.written)
    yield counter("apiserver_audit_error_total", "Events that were dropped.", log.dropped, (("plugin", "log"),))
