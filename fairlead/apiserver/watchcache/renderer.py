"""Renders objects, lists and events in the requested representation: plain JSON, a Table, or metadata only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.apiserver.serialization.accept import Encoding, Negotiated
from fairlead.apiserver.serialization.protobuf.convert import kind_encoder
from fairlead.apiserver.watchcache.cache import Entry, EventType
from fairlead.apiserver.watchcache.writers import (
    JSON_LINES,
    EventWriter,
    MetadataFrames,
    MetadataLines,
    ProtobufFrames,
    TableLines,
)
from fairlead.base.clock import Clock
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.table import IncludeObject, partial_metadata, table, table_event


class Renderer:
    """Renders for one kind and one request."""

    def __init__(self, kind: Kind[Any], negotiated: Negotiated, include: IncludeObject, clock: Clock) -> None:
        self.kind = kind
        self.form = negotiated.form
        self._encoding: Encoding = negotiated.encoding
        self._include = include
        self._clock = clock

    def one(self, entry: Entry) -> bytes:
        """Returns a single object."""
        if self.form == "Object":
            return entry.raw
        if self.form == "Table":
            return self.many([entry], list_metadata(entry.revision))
        return partial_metadata(entry.raw)

    def many(self, entries: Sequence[Entry], metadata: bytes) -> bytes:
        """Returns a list; `metadata` as from `list_metadata`."""
        if self.form == "Table":
            rows = [(entry.decode(), entry.raw) for entry in entries]
            return table(self.kind, rows, now=self._clock.now(), include_object=self._include, metadata=metadata)
        if self.form == "Object":
            head = f'{{"kind":"{self.kind.list_kind}","apiVersion":"{self.kind.api_version}","metadata":'
            items = self._items(entries)
        else:
            head = '{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":'
            items = b",".join([partial_metadata(entry.raw) for entry in entries])
        return b'%b%b,"items":[%b]}\n' % (head.encode(), metadata, items)

    def _items(self, entries: Sequence[Entry]) -> bytes:
        """Returns the items of a list. Those of built-in kinds do not repeat kind and apiVersion, as in upstream, whose
        typed clients compare them with other answers."""
        if self.kind.__dict__.get("own_codec") is not None:  # the attribute would load a kind that is only declared
            return b",".join([entry.raw for entry in entries])
        skipped = len(f'{{"kind":"{self.kind.kind}","apiVersion":"{self.kind.api_version}",')
        items = b",{".join([entry.raw[skipped:] for entry in entries])
        return b"{" + items if items else b""

    def events(self) -> EventWriter:
        """Returns the writer of watch events."""
        if self.form == "Table":
            return TableLines(self._table_event)
        if self._encoding == "protobuf":
            return MetadataFrames() if self.form != "Object" else ProtobufFrames(kind_encoder(self.kind))
        return JSON_LINES if self.form == "Object" else MetadataLines()

    def _table_event(self, type: EventType, entry: Entry, columns: bool) -> bytes:
        rows = [(entry.decode(), entry.raw)]
        return table_event(
            type,
            self.kind,
            rows,
            now=self._clock.now(),
            include_object=self._include,
            resource_version=str(entry.revision),
            columns=columns,
        )


def list_metadata(revision: int, token: str = "", remaining: int | None = None) -> bytes:
    """Returns the `ListMeta` of a list."""
    text = f'{{"resourceVersion":"{revision}"'
    if token:
        text += f',"continue":"{token}"'
    if remaining is not None:
        text += f',"remainingItemCount":{remaining}'
    return (text + "}").encode()
