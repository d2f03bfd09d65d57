"""Objects as the `Table` (meta.k8s.io/v1) that kubectl prints: the server chooses the columns, the client only aligns.

A table is assembled from bytes: the rows' objects are the encoded ones of the cache, inserted without decoding and
encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import msgspec

from fairlead.base.instant import Instant, parse_time, render_age
from fairlead.machinery.kinds.kind import Column, Kind, per_kind

T = TypeVar("T")

IncludeObject = Literal["None", "Metadata", "Object"]
"""The `includeObject` parameter: the object in each row beside its cells; kubectl requests `Object` if it sorts."""


class _WithMetadata(msgspec.Struct):
    metadata: msgspec.Raw


_metadata = msgspec.json.Decoder(_WithMetadata).decode
_encode = msgspec.json.Encoder().encode


def _created(obj: Any, now: Instant) -> str:
    at = obj.metadata.creationTimestamp
    return render_age(now - parse_time(at)) if at else "<unknown>"


_FALLBACK: tuple[Column[Any], ...] = (
    Column("Name", lambda obj, now: str(obj.metadata.name), format="name"),
    Column("Age", _created),
)


def table(
    kind: Kind[T],
    rows: Sequence[tuple[T, bytes]],
    *,
    now: Instant,
    include_object: IncludeObject = "Metadata",
    metadata: bytes = b"{}",
    columns: bool = True,
) -> bytes:
    """Returns a list as a table. Each object is given decoded and encoded; `metadata` is the list's encoded
    `ListMeta`."""
    cells = [column.cell for column in columns_of(kind)]
    rendered = b",".join(
        b'{"cells":%b,"object":%b}' % (_encode([cell(obj, now) for cell in cells]), _row_object(raw, include_object))
        for obj, raw in rows
    )
    return b'%b%b,"columnDefinitions":%b,"rows":[%b]}\n' % (
        _HEAD,
        metadata,
        _definitions(kind) if columns else b"null",
        rendered,
    )


_HEAD = b'{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":'


def table_event(  # noqa: PLR0913 -- the parameters of `table` and those of an event
    type: str,
    kind: Kind[T],
    rows: Sequence[tuple[T, bytes]],
    *,
    now: Instant,
    include_object: IncludeObject = "Metadata",
    resource_version: str = "",
    columns: bool = True,
) -> bytes:
    """Returns one watch event whose object is a table of one row; only the first event of a watch has the `columns`."""
    metadata = b'{"resourceVersion":"%b"}' % resource_version.encode() if resource_version else b"{}"
    body = table(kind, rows, now=now, include_object=include_object, metadata=metadata, columns=columns)
    return b'{"type":"%b","object":%b}\n' % (type.encode(), body.rstrip())


def partial_metadata(raw: bytes) -> bytes:
    """Returns an encoded object's `PartialObjectMetadata`: its metadata only."""
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":%b}' % bytes(
        _metadata(raw).metadata
    )


def _row_object(raw: bytes, include_object: IncludeObject) -> bytes:
    match include_object:
        case "None":
            return b"null"
        case "Metadata":
            return partial_metadata(raw)
        case "Object":
            return raw


def columns_of(kind: Kind[T]) -> tuple[Column[T], ...]:
    """Returns the kind's columns; name and age if it declares none."""
    return kind.columns or _FALLBACK


@per_kind
def _definitions(kind: Kind[Any]) -> bytes:
    return _encode(
        [
            {
                "name": column.name,
                "type": column.type,
                "format": column.format,
                "description": column.doc,
                "priority": 1 if column.wide else 0,
            }
            for column in columns_of(kind)
        ]
    )
