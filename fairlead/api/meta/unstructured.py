"""Objects of kinds that have a schema and no Python type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from fairlead.api.meta.types import Object, ObjectMeta
from fairlead.machinery.schemas.codec import Encodable
from fairlead.machinery.schemas.prune import Pruner
from fairlead.machinery.schemas.schema import Field, Schema, schema_of

Tree = dict[str, Any]
_HEADER = ("kind", "apiVersion", "metadata")


class _Header(Object, forbid_unknown_fields=False):
    """The typed part of any object."""


_decode_header = msgspec.json.Decoder(_Header).decode
_decode_tree = msgspec.json.Decoder(Tree).decode


class Unstructured(Encodable):
    """Object with typed metadata and JSON values in all other fields.

    Fields are attributes with the names of the wire format, as in a struct; an absent field is None.
    """

    __slots__ = ("apiVersion", "content", "kind", "metadata")

    kind: str
    apiVersion: str
    metadata: ObjectMeta
    content: Tree

    def __init__(
        self, *, kind: str = "", apiVersion: str = "", metadata: ObjectMeta | None = None, content: Tree | None = None
    ) -> None:
        self.kind = kind
        self.apiVersion = apiVersion
        self.metadata = metadata if metadata is not None else ObjectMeta()
        self.content = content if content is not None else {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in Unstructured.__slots__:
            raise AttributeError(name)
        return self.content.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in Unstructured.__slots__:
            object.__setattr__(self, name, value)
        elif value is None:
            self.content.pop(name, None)
        else:
            self.content[name] = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unstructured) and self.tree() == other.tree()

    __hash__ = None  # type: ignore[assignment]

    def tree(self) -> Tree:
        return {"kind": self.kind, "apiVersion": self.apiVersion, "metadata": self.metadata} | self.content


class UnstructuredCodec:
    """Implements `Codec` for a schema that `object_schema` returned."""

    strict = False

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def decode(self, raw: bytes, /) -> Unstructured:
        header, tree = _decode_header(raw), _decode_tree(raw)
        for name in _HEADER:
            tree.pop(name, None)
        return Unstructured(kind=header.kind, apiVersion=header.apiVersion, metadata=header.metadata, content=tree)

    def fit(self, tree: Any, pruner: Pruner, /) -> Tree:
        return pruner.prune(self.schema, tree)

    def new(self) -> Unstructured:
        return Unstructured()


def object_schema(name: str, fields: Iterable[Field], *, doc: str = "") -> Schema:
    """Returns the schema of a kind's objects: kind, apiVersion, metadata, and the given fields."""
    header = [schema_of(Object).fields[name] for name in _HEADER]
    return Schema(name, doc=doc, fields={field.name: field for field in (*header, *fields)})
