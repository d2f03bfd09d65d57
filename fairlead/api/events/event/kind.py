"""The Event kind of `events.k8s.io/v1`: the core group's objects with newer field names."""

from collections.abc import Callable, Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.event import kind as core
from fairlead.api.core.event.kind import EventSeries, EventSource
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import Int32, MicroTime, Object, Time
from fairlead.machinery.kinds.kind import Atomic, Column, Conversion, Doc, Kind
from fairlead.machinery.values.status import FieldError, invalid, required

_RENAMED = {
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedSource": "source",
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
}
"""Field names of the core group that differ from those of events.k8s.io."""


class Event(Object):
    """Report of an occurrence that concerns an object, for people to read; deleted after one hour."""

    type: Annotated[str, Doc("Type of the event: Normal or Warning.")] = ""
    action: Annotated[str, Doc("Action that was taken or failed, as one CamelCase word.")] = ""
    deprecatedCount: Annotated[
        Int32, Doc("Number of occurrences; set only for compatibility with the core/v1 Event.")
    ] = 0
    deprecatedFirstTimestamp: (
        Annotated[Time, Doc("Time of the first occurrence; set only for compatibility with the core/v1 Event.")] | None
    ) = None
    deprecatedLastTimestamp: (
        Annotated[Time, Doc("Time of the last occurrence; set only for compatibility with the core/v1 Event.")] | None
    ) = None
    deprecatedSource: Annotated[
        EventSource, Doc("Component that reported the event; set only for compatibility with the core/v1 Event.")
    ] = msgspec.field(default_factory=EventSource)
    # Clients expect the field, even as null.
    eventTime: Annotated[MicroTime, Doc("Time of the first occurrence, with microseconds.")] | None = msgspec.field(
        default_factory=lambda: None
    )
    note: Annotated[str, Doc("Human-readable description of the occurrence, at most 1024 bytes.")] = ""
    reason: Annotated[str, Doc("Reason of the action as one CamelCase word, for programs.")] = ""
    regarding: Annotated[ObjectReference, Atomic(), Doc("Reference to the object that the event is about.")] = (
        msgspec.field(default_factory=ObjectReference)
    )
    related: (
        Annotated[ObjectReference, Atomic(), Doc("Reference to a second object that the event involves.")] | None
    ) = None
    reportingController: Annotated[
        str, Doc("Name of the controller that reported the event, such as kubernetes.io/kubelet.")
    ] = ""
    reportingInstance: Annotated[
        str, Doc("Identity of the controller instance that reported the event, such as a host name.")
    ] = ""
    series: (
        Annotated[EventSeries, Doc("Count and last time of repeated occurrences; absent if the event occurred once.")]
        | None
    ) = None


def to_core(event: Event) -> core.Event:
    """Returns the object in the storage version (core/v1)."""
    fields = {_RENAMED.get(name, name): getattr(event, name) for name in event.__struct_fields__}
    return core.Event(**fields)


def from_core(event: core.Event) -> Event:
    return Event(**{name: getattr(event, _RENAMED.get(name, name)) for name in Event.__struct_fields__})


def _rules(event: Event) -> Iterator[FieldError]:
    """Yields the errors of both forms, with the core group's field names, as upstream does."""
    yield from core.event_errors(to_core(event))


def _create_rules(event: Event) -> Iterator[FieldError]:
    """Yields errors of a new event that apply to this form only."""
    yield from _series_errors(event)
    if event.eventTime is None:
        yield required("eventTime")
    if event.type not in ("Normal", "Warning"):
        yield invalid("type", "", f"has invalid value: {event.type}")
    for name in ("firstTimestamp", "lastTimestamp", "count"):
        if getattr(event, f"deprecated{name[0].upper()}{name[1:]}"):
            yield invalid(name, "", "needs to be unset")
    if event.deprecatedSource.component or event.deprecatedSource.host:
        yield invalid("source", "", "needs to be unset")


def _series_errors(event: Event) -> Iterator[FieldError]:
    if event.series is not None:
        if event.series.count < 2:
            yield invalid("series.count", "", "should be at least 2")
        if event.series.lastObservedTime is None:
            yield required("series.lastObservedTime")


def _transition(old: Event, new: Event) -> Iterator[FieldError]:
    """Yields errors if an update changes anything but the series. The order of fields is upstream's."""
    if old.series != new.series:
        yield from _series_errors(new)
    for name in _FIXED:
        if getattr(old, name) != getattr(new, name):
            yield invalid(_CORE_PATHS.get(name, name), msgspec.to_builtins(getattr(new, name)), "field is immutable")


_FIXED = (
    "regarding",
    "reason",
    "note",
    "deprecatedSource",
    "deprecatedFirstTimestamp",
    "deprecatedLastTimestamp",
    "deprecatedCount",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingController",
    "reportingInstance",
)
_CORE_PATHS = {name: path for name, path in _RENAMED.items() if name != "reportingController"}


def _converted(column: Column[core.Event]) -> Column[Event]:
    """Returns a column of the core group's table with its cells converted from this version."""
    return Column(
        column.name,
        lambda event, now: column.cell(to_core(event), now),
        wide=column.wide,
        type=column.type,
        format=column.format,
        doc=column.doc,
    )


def _field(name: str) -> Callable[[Event], str]:
    return lambda event: core.EVENT.fields[name](to_core(event))


_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

EVENTS_V1_EVENT = Kind(
    type=Event,
    created_by_update=True,
    kind="Event",
    group="events.k8s.io",
    plural="events",
    singular="event",
    short_names=("ev",),
    conversion=Conversion(core.EVENT, to_core, from_core),
    rules=_rules,
    transition=_transition,
    create_rules=_create_rules,
    columns=tuple(_converted(column) for column in core.EVENT.columns),
    fields={
        **{f"regarding.{name}": _field(f"involvedObject.{name}") for name in _REFERENCE},
        "reason": _field("reason"),
        "reportingController": _field("reportingComponent"),
        "type": _field("type"),
    },
)
