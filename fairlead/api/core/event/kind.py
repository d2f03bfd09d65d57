"""The Event kind of the core group: reports of occurrences, for people to read."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import since
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import Int32, MicroTime, Object, Record, Time
from fairlead.base.instant import Instant, parse_time
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Expiry, Kind
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, required

_WORD_MAX = 128
_NOTE_MAX = 1024
TTL_S = 3600.0
"""The time for which an event stays after its last change (upstream's `--event-ttl`)."""


class EventSeries(Record):
    """Repetitions of one event, counted in place of separate Event objects."""

    count: Annotated[Int32, Doc("Number of occurrences in the series up to the last update.")] = 0
    lastObservedTime: Annotated[MicroTime, Doc("Time of the last occurrence in the series.")] | None = None


class EventSource(Record):
    """Component and node that reported an event."""

    component: Annotated[str, Doc("Name of the component that reported the event.")] = ""
    host: Annotated[str, Doc("Name of the node from which the event was reported.")] = ""


class Event(Object):
    """Report of an occurrence that concerns an object, for people to read; deleted after one hour."""

    type: Annotated[str, Doc("Type of the event: Normal or Warning.")] = ""
    involvedObject: Annotated[ObjectReference, Atomic(), Doc("Reference to the object that the event is about.")] = (
        msgspec.field(default_factory=ObjectReference)
    )
    action: Annotated[str, Doc("Action that was taken or failed, as one CamelCase word.")] = ""
    count: Annotated[Int32, Doc("Number of times that the event has occurred.")] = 0
    eventTime: Annotated[MicroTime, Doc("Time of the first occurrence, with microseconds.")] | None = None
    firstTimestamp: Annotated[Time, Doc("Time of the first occurrence, with a resolution of one second.")] | None = None
    lastTimestamp: (
        Annotated[Time, Doc("Time of the most recent occurrence, with a resolution of one second.")] | None
    ) = None
    message: Annotated[str, Doc("Human-readable description of the occurrence.")] = ""
    reason: Annotated[str, Doc("Reason of the event as one CamelCase word, for programs.")] = ""
    related: (
        Annotated[ObjectReference, Atomic(), Doc("Reference to a second object that the event involves.")] | None
    ) = None
    reportingComponent: Annotated[
        str, Doc("Name of the controller that reported the event, such as kubernetes.io/kubelet.")
    ] = ""
    reportingInstance: Annotated[
        str, Doc("Identity of the controller instance that reported the event, such as a host name.")
    ] = ""
    series: (
        Annotated[EventSeries, Doc("Count and last time of repeated occurrences; absent if the event occurred once.")]
        | None
    ) = None
    source: Annotated[EventSource, Doc("Component and node that reported the event.")] = msgspec.field(
        default_factory=EventSource
    )


def _first(event: Event, now: Instant) -> str:
    return since(event.firstTimestamp or event.eventTime, now)


def _last(event: Event, now: Instant) -> str:
    if event.series is not None:
        return since(event.series.lastObservedTime, now)
    return since(event.lastTimestamp, now) if event.lastTimestamp else _first(event, now)


def _object(event: Event, _: Instant) -> str:
    ref = event.involvedObject
    return f"{ref.kind.lower()}/{ref.name}" if ref.name else ref.kind.lower()


def _source(event: Event, _: Instant) -> str:
    component = event.source.component or event.reportingComponent
    host = event.source.host or event.reportingInstance
    return f"{component}, {host}" if host else component


def _count(event: Event, _: Instant) -> int:
    return event.series.count if event.series is not None else event.count or 1


def event_errors(event: Event) -> Iterator[FieldError]:
    """Yields errors of an event in either form. An event with an `eventTime` is of the newer form, which requires
    more fields."""
    namespace, path = event.involvedObject.namespace, "involvedObject.namespace"
    if event.eventTime is None:
        # Events of objects without a namespace live in `default`.
        if event.metadata.namespace not in ((namespace,) if namespace else ("", "default")):
            yield invalid(path, namespace, "does not match event.namespace")
        return
    if not namespace and event.metadata.namespace not in ("default", "kube-system"):
        yield invalid(path, namespace, "does not match event.namespace")
    controller = event.reportingComponent
    if not controller:
        yield required("reportingController")
    for text in names.qualified_name(controller):
        yield invalid("reportingController", controller, text)
    for name in ("reportingInstance", "action", "reason"):
        value = getattr(event, name)
        if not value:
            yield required(name)
        if len(value) > _WORD_MAX:
            yield invalid(name, "", f"can have at most {_WORD_MAX} characters")
    if len(event.message) > _NOTE_MAX:
        yield invalid("message", "", f"can have at most {_NOTE_MAX} characters")


def _last_change(event: Event) -> Instant | None:
    series = event.series.lastObservedTime if event.series is not None else None
    texts = (series, event.lastTimestamp, event.eventTime, event.firstTimestamp, event.metadata.creationTimestamp)
    return max((parse_time(text) for text in texts if text), default=None)


EVENT = Kind(
    type=Event,
    created_by_update=True,
    kind="Event",
    plural="events",
    cached="nothing",
    deletion_turn="last",
    expiry=Expiry(TTL_S, _last_change),
    singular="event",
    short_names=("ev",),
    rules=event_errors,
    columns=(
        Column("Last Seen", _last, doc="Time since the most recent occurrence of the event."),
        Column("Type", lambda event, _: event.type, doc="Type of the event: Normal or Warning."),
        Column("Reason", lambda event, _: event.reason, doc="Reason of the event as one CamelCase word."),
        Column("Object", _object, doc="Kind and name of the object that the event is about."),
        Column(
            "Subobject",
            lambda event, _: event.involvedObject.fieldPath,
            wide=True,
            doc="Part of the object that the event is about, such as spec.containers{web}.",
        ),
        Column("Source", _source, wide=True, doc="Component and node that reported the event."),
        Column("Message", lambda event, _: event.message.strip(), doc="Human-readable description of the occurrence."),
        Column("First Seen", _first, wide=True, doc="Time since the first occurrence of the event."),
        Column("Count", _count, wide=True, doc="Number of times that the event has occurred."),
        Column("Name", lambda event, _: event.metadata.name, wide=True, format="name", doc="Name of the event object."),
    ),
    fields={
        "involvedObject.kind": lambda event: event.involvedObject.kind,
        "involvedObject.namespace": lambda event: event.involvedObject.namespace,
        "involvedObject.name": lambda event: event.involvedObject.name,
        "involvedObject.uid": lambda event: event.involvedObject.uid,
        "involvedObject.apiVersion": lambda event: event.involvedObject.apiVersion,
        "involvedObject.resourceVersion": lambda event: event.involvedObject.resourceVersion,
        "involvedObject.fieldPath": lambda event: event.involvedObject.fieldPath,
        "reason": lambda event: event.reason,
        "reportingComponent": lambda event: event.reportingComponent or event.source.component,
        "source": lambda event: event.source.component or event.reportingComponent,
        "type": lambda event: event.type,
    },
)
