"""Codecs convert objects of a kind to bytes and back. Objects may be structs of a Python type or have another form.

A codec also has the schema, so that other code does not depend on the Python form of an object.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec

from fairlead.machinery.schemas.prune import Pruner
from fairlead.machinery.schemas.schema import Schema, schema_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Codec(Protocol[T_co]):
    """Converts objects to bytes and back."""

    @property
    def schema(self) -> Schema: ...

    @property
    def strict(self) -> bool:
        """Returns whether `decode` refuses a body that does not fit the schema; if not, trees are fitted to the schema
        first."""
        ...

    def decode(self, raw: bytes, /) -> T_co:
        """Decodes an object. Raises msgspec.MsgspecError, ValueError."""
        ...

    def fit(self, tree: Any, pruner: Pruner, /) -> dict[str, Any]:
        """Returns a body's tree without unknown fields, which the pruner notes. Raises WrongTypeError."""
        ...

    def new(self) -> T_co:
        """Returns an object without any field set."""
        ...


class StructCodec(Generic[T]):
    """The codec of a `msgspec.Struct` type."""

    strict = True

    def __init__(self, type: type[T]) -> None:
        self.type = type

    @functools.cached_property
    def schema(self) -> Schema:
        struct: Any = self.type
        return schema_of(struct)

    def fit(self, tree: Any, pruner: Pruner, /) -> dict[str, Any]:
        return pruner.prune(self.schema, tree)

    @functools.cached_property
    def decoder(self) -> msgspec.json.Decoder[T]:
        return msgspec.json.Decoder(self.type)

    def decode(self, raw: bytes, /) -> T:
        return self.decoder.decode(raw)

    def new(self) -> T:
        return self.type()


@functools.cache
def _struct_codec(type: Any) -> StructCodec[Any]:
    return StructCodec(type)


def struct_codec(type: type[T]) -> StructCodec[T]:
    """Returns the codec of a struct type; the same one every time."""
    struct: Any = type
    return cast("StructCodec[T]", _struct_codec(struct))


def decoder_of(codec: Codec[T]) -> Callable[[bytes], T]:
    """Returns the codec's `decode` for use on a hot path: msgspec's own if objects are structs."""
    return codec.decoder.decode if isinstance(codec, StructCodec) else codec.decode


class Encodable:
    """The base of objects other than structs."""

    __slots__ = ()

    def tree(self) -> dict[str, Any]:
        """Returns the object as a JSON tree, which may contain structs."""
        raise NotImplementedError


def plain(value: Any) -> Any:
    """Returns the tree of an object that is not a struct: msgspec's `enc_hook`."""
    if isinstance(value, Encodable):
        return value.tree()
    raise TypeError(f"no JSON value corresponds to {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=plain)

encode = _encoder.encode
"""Encodes an object (or a tree) as JSON, as sent to clients and kept in the store."""
