"""Writes the events of a watch in its encoding: JSON lines, or protobuf messages with their lengths.

A writer that gives every watcher the same bytes leaves them with the event, so that they are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fairlead.apiserver.model import JSON_HEADERS
from fairlead.apiserver.serialization.protobuf.convert import STREAM_HEADERS, frame, metadata_encoder, status_encoder
from fairlead.apiserver.serialization.protobuf.encode import MessageEncoder
from fairlead.apiserver.watchcache.cache import Entry, Event, EventType, event_line
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.table import columns_of, partial_metadata

Render = Callable[[EventType, Entry, bool], bytes]
"""Renders an event as a separate line (Table), with or without the definitions of the columns."""
_INITIAL_END = ',"annotations":{"k8s.io/initial-events-end":"true"}'
_META = "meta.k8s.io/v1"


class EventWriter(Protocol):
    """Writes the events of one watch."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    def event(self, event: Event, type: EventType) -> bytes:
        """Returns a change; a selector may turn its type into another one."""
        ...

    def entry(self, type: EventType, entry: Entry) -> bytes:
        """Returns an event about a present object."""
        ...

    def bookmark(self, kind: Kind[Any], revision: int, *, initial_end: bool) -> bytes: ...

    def error(self, status: bytes) -> bytes:
        """Returns an ERROR event with a Status in JSON."""
        ...


class JsonLines:
    """Plain objects in JSON, a line each."""

    headers: Mapping[str, str] = JSON_HEADERS

    def event(self, event: Event, type: EventType) -> bytes:
        return event.line(type)

    def entry(self, type: EventType, entry: Entry) -> bytes:
        return event_line(type, entry.raw)

    def bookmark(self, kind: Kind[Any], revision: int, *, initial_end: bool) -> bytes:
        return event_line("BOOKMARK", bookmark_object(kind.api_version, kind.kind, revision, initial_end=initial_end))

    def error(self, status: bytes) -> bytes:
        return event_line("ERROR", status)


class MetadataLines(JsonLines):
    """Metadata in JSON, a line each."""

    def event(self, event: Event, type: EventType) -> bytes:
        return event.rendered(f"metadata {type}", lambda: self.entry(type, event.entry_for(type)))

    def entry(self, type: EventType, entry: Entry) -> bytes:
        return event_line(type, partial_metadata(entry.raw))

    def bookmark(self, kind: Kind[Any], revision: int, *, initial_end: bool) -> bytes:
        obj = bookmark_object(_META, "PartialObjectMetadata", revision, initial_end=initial_end)
        return event_line("BOOKMARK", obj)


class TableLines(JsonLines):
    """Tables in JSON, a line each; the cells depend on the time. Only the first line defines the columns."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._began = False

    def event(self, event: Event, type: EventType) -> bytes:
        return self.entry(type, event.entry_for(type))

    def entry(self, type: EventType, entry: Entry) -> bytes:
        first, self._began = not self._began, True
        return self._render(type, entry, first)

    def bookmark(self, kind: Kind[Any], revision: int, *, initial_end: bool) -> bytes:
        obj = bookmark_object(_META, "PartialObjectMetadata", revision, initial_end=initial_end)
        cells = b",".join([b"null"] * len(columns_of(kind)))
        table = bookmark_object(_META, "Table", revision, initial_end=False)
        row = b'{"cells":[%b],"object":%b}' % (cells, obj)
        return event_line("BOOKMARK", table[:-1] + b',"columnDefinitions":null,"rows":[%b]}' % row)


class ProtobufFrames:
    """Plain objects in protobuf."""

    headers: Mapping[str, str] = STREAM_HEADERS

    def __init__(self, encoder: MessageEncoder) -> None:
        self._encoder = encoder

    def event(self, event: Event, type: EventType) -> bytes:
        return event.rendered(f"protobuf {type}", lambda: self.entry(type, event.entry_for(type)))

    def entry(self, type: EventType, entry: Entry) -> bytes:
        return frame(type, entry.raw, self._encoder)

    def bookmark(self, kind: Kind[Any], revision: int, *, initial_end: bool) -> bytes:
        obj = bookmark_object(kind.api_version, kind.kind, revision, initial_end=initial_end)
        return frame("BOOKMARK", obj, self._encoder)

    def error(self, status: bytes) -> bytes:
        return frame("ERROR", status, status_encoder())


class MetadataFrames(ProtobufFrames):
    """Metadata in protobuf."""

    def __init__(self) -> None:
        super().__init__(metadata_encoder())

    def event(self, event: Event, type: EventType) -> bytes:
        return event.rendered(f"protobuf metadata {type}", lambda: self.entry(type, event.entry_for(type)))

    def entry(self, type: EventType, entry: Entry) -> bytes:
        return frame(type, partial_metadata(entry.raw), self._encoder)

    def bookmark(self, kind: Kind[Any], revision: int, *, initial_end: bool) -> bytes:
        obj = bookmark_object(_META, "PartialObjectMetadata", revision, initial_end=initial_end)
        return frame("BOOKMARK", obj, self._encoder)


JSON_LINES = JsonLines()


def bookmark_object(api_version: str, kind: str, revision: int, *, initial_end: bool) -> bytes:
    """Returns the object of a bookmark: nothing but a resourceVersion."""
    extra = _INITIAL_END if initial_end else ""
    head = f'{{"kind":"{kind}","apiVersion":"{api_version}","metadata":'
    return f'{head}{{"resourceVersion":"{revision}"{extra}}}}}'.encode()
