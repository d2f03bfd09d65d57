"""An event: what happened to an object, for people to read."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import Int32, MicroTime, Object, Record, Time
from fairlead.api.reference import ObjectReference
from fairlead.machinery.kind import Atomic, Kind


class EventSeries(Record):
    count: Int32 = 0
    lastObservedTime: MicroTime | None = None


class EventSource(Record):
    component: str = ""
    host: str = ""


class Event(Object):
    type: str = ""
    involvedObject: Annotated[ObjectReference, Atomic()] = msgspec.field(default_factory=ObjectReference)
    action: str = ""
    count: Int32 = 0
    eventTime: MicroTime | None = None
    firstTimestamp: Time | None = None
    lastTimestamp: Time | None = None
    message: str = ""
    reason: str = ""
    related: Annotated[ObjectReference, Atomic()] | None = None
    reportingComponent: str = ""
    reportingInstance: str = ""
    series: EventSeries | None = None
    source: EventSource = msgspec.field(default_factory=EventSource)


EVENT = Kind(
    type=Event,
    kind="Event",
    plural="events",
    singular="event",
    short_names=("ev",),
)
