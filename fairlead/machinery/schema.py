"""What a struct type looks like from outside: its fields by wire name, their shapes and markers, read once.

Decoding errors, checks, strategic merge and OpenAPI all walk these tables, so that a field is described in one
place only. Reflection costs some 50 µs a type; it happens on first use of that type and never at import, because
a cluster starts in under a second and most kinds are not touched in it. Structs are referred to by type and
looked up when met, so types may contain themselves.
"""

from __future__ import annotations

import builtins
import functools
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from fairlead.machinery.kind import Doc, Format

Shape = Literal["string", "bool", "int", "float", "bytes", "int-or-string", "quantity", "struct", "list", "map", "raw"]

M = TypeVar("M")

_SCALARS: dict[Any, Shape] = {str: "string", bool: "bool", int: "int", float: "float", bytes: "bytes"}
_GO_SCALARS: dict[str, str] = {
    "string": "string",
    "bool": "bool",
    "float": "float64",
    "bytes": "[]uint8",
    "int-or-string": "intstr.IntOrString",
    "quantity": "resource.Quantity",
    "raw": "interface {}",
}
_GO_FORMATS = {"date-time": "v1.Time", "date-time-micro": "v1.MicroTime", "byte": "[]uint8"}


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """The type of a field, a list's item or a map's value."""

    shape: Shape
    item: TypeInfo | None = None
    """Of a list or map."""
    struct: Any = None
    """The `msgspec.Struct` type where the shape is `struct`."""
    nullable: bool = False
    """May be absent in a way that differs from its zero value (a Go pointer)."""
    markers: tuple[Any, ...] = ()

    def marker(self, kind: builtins.type[M]) -> M | None:
        return next((m for m in self.markers if isinstance(m, kind)), None)

    @property
    def format(self) -> str:
        found = self.marker(Format)
        return found.name if found else ""

    def go_name(self) -> str:
        """The type as Go's decoder names it in its errors."""
        match self.shape:
            case "struct":
                return f"v1.{self.struct.__name__}"
            case "list":
                return "[]" + (self.item.go_name() if self.item else "interface {}")
            case "map":
                return "map[string]" + (self.item.go_name() if self.item else "interface {}")
            case "int":
                return "int64" if self.format == "int64" else "int32"
            case "string" if self.format in _GO_FORMATS:
                return _GO_FORMATS[self.format]
            case shape:
                return _GO_SCALARS[shape]


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    """On the wire."""
    attr: str
    type: TypeInfo
    default: Any
    """`msgspec.NODEFAULT` where a factory makes it or there is none."""

    def marker(self, kind: builtins.type[M]) -> M | None:
        return self.type.marker(kind)

    @property
    def doc(self) -> str:
        found = self.type.marker(Doc)
        return found.text if found else ""


@dataclass(frozen=True, slots=True)
class Schema:
    type: Any
    name: str
    doc: str
    fields: dict[str, Field]
    """By wire name, in the order of declaration."""


@functools.cache
def schema_of(struct: Any) -> Schema:
    """The table of a struct type; the same object every time."""
    hints = get_type_hints(struct, include_extras=True)
    fields = {}
    for info in msgspec.structs.fields(struct):
        fields[info.encode_name] = Field(info.encode_name, info.name, type_info(hints[info.name]), info.default)
    own_doc = struct.__dict__.get("__doc__") or ""
    return Schema(struct, struct.__name__, " ".join(own_doc.split()), fields)


def type_info(hint: Any) -> TypeInfo:
    """Reads one annotation. Raises TypeError for what no JSON value corresponds to."""
    return _read(hint, nullable=False, markers=())


def _read(hint: Any, *, nullable: bool, markers: tuple[Any, ...]) -> TypeInfo:
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *own = get_args(hint)
        return _read(inner, nullable=nullable, markers=markers + tuple(own))
    if origin in (Union, types.UnionType):
        return _read_union(hint, nullable=nullable, markers=markers)
    if origin in (list, dict, tuple):
        return _read_container(origin, get_args(hint), nullable=nullable, markers=markers)
    if origin is Literal:
        return TypeInfo("string", nullable=nullable, markers=markers)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return TypeInfo("struct", struct=hint, nullable=nullable, markers=markers)
    if hint in _SCALARS:
        shape = _SCALARS[hint]
        if shape == "string" and any(isinstance(m, Format) and m.name == "quantity" for m in markers):
            shape = "quantity"
        return TypeInfo(shape, nullable=nullable, markers=markers)
    if hint is Any or hint is msgspec.Raw or hint is dict or hint is list:
        return TypeInfo("raw", nullable=nullable, markers=markers)
    raise TypeError(f"no JSON value corresponds to {hint!r}")


def _read_union(hint: Any, *, nullable: bool, markers: tuple[Any, ...]) -> TypeInfo:
    choices = [h for h in typing.get_args(hint) if h not in (type(None), msgspec.UnsetType)]
    nullable = nullable or len(choices) < len(typing.get_args(hint))
    if len(choices) == 1:
        return _read(choices[0], nullable=nullable, markers=markers)
    read = [_read(choice, nullable=False, markers=()) for choice in choices]
    for one in read:
        markers += one.markers
    if {one.shape for one in read} == {"int", "string"}:
        return TypeInfo("int-or-string", nullable=nullable, markers=markers)
    if {one.shape for one in read} <= {"int", "float", "string", "quantity"}:
        return TypeInfo("quantity", nullable=nullable, markers=markers)
    return TypeInfo("raw", nullable=nullable, markers=markers)


def _read_container(origin: Any, args: tuple[Any, ...], *, nullable: bool, markers: tuple[Any, ...]) -> TypeInfo:
    item = type_info(args[1] if origin is dict else args[0])
    if origin is dict and item.shape == "raw":
        return TypeInfo("raw", nullable=nullable, markers=markers)
    return TypeInfo("map" if origin is dict else "list", item=item, nullable=nullable, markers=markers)
