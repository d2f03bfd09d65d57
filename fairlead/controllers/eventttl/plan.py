"""Decides which Events are old."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.event import EVENT, Event
from fairlead.base.instant import Instant, parse_time
from fairlead.runtime.plan import Delete, Plan


def reconcile(events: Sequence[Event], *, ttl_s: float, now: Instant) -> Plan:
    old = [event for event in events if now - _last_seen(event) > ttl_s]
    return Plan(delete=tuple(Delete(EVENT, event) for event in old))


def _last_seen(event: Event) -> Instant:
    texts = [event.lastTimestamp, event.eventTime, event.metadata.creationTimestamp]
    if event.series is not None:
        texts.append(event.series.lastObservedTime)
    return max((parse_time(text) for text in texts if text), default=Instant(0.0))
