"""Schemas: fields by wire name, their shapes and markers.

Decoding errors, checks, apply, strategic merge and OpenAPI all walk schemas, so that a field is described in one place
only. A schema is data: a struct type is one source of it (`schema_of`), a document is another (`Schema(fields=...)`).
Code that walks a schema does not depend on the source.

Reflection costs some 50 µs a type. It happens on first use of the type's fields and never at import, because a cluster
starts in under a second and uses only few kinds in that time. So types may also contain themselves.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from fairlead.base.dataclass import dataclass
from fairlead.machinery.schemas.markers import Alternative, Doc, Format

Shape = Literal["string", "bool", "int", "float", "bytes", "int-or-string", "quantity", "struct", "list", "map", "raw"]

M = TypeVar("M")
R = TypeVar("R")

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
    """The item of a list, or the value of a map."""
    schema: Schema | None = None
    """The fields of a `struct`."""
    nullable: bool = False
    """True if absence differs from the zero value (a Go pointer)."""
    markers: tuple[Any, ...] = ()

    def marker(self, kind: builtins.type[M]) -> M | None:
        return next((m for m in self.markers if isinstance(m, kind)), None)

    @property
    def format(self) -> str:
        marker = self.marker(Format)
        return marker.name if marker else ""

    @property
    def fields(self) -> Mapping[str, Field]:
        """Returns the fields of a `struct` by wire name."""
        return self.schema.fields if self.schema is not None else {}

    def go_name(self) -> str:
        """Returns the type as Go's decoder names it in its errors."""
        match self.shape:
            case "struct":
                return f"v1.{self.schema.name}" if self.schema is not None else "interface {}"
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
    """The name on the wire."""
    attr: str
    """The attribute of a struct."""
    type: TypeInfo
    default: Any = msgspec.NODEFAULT
    """`msgspec.NODEFAULT` if a factory makes the default, or without a default."""

    def marker(self, kind: builtins.type[M]) -> M | None:
        return self.type.marker(kind)

    @property
    def doc(self) -> str:
        marker = self.type.marker(Doc)
        return marker.text if marker else ""


class Schema:
    """The fields of an object or of a part of it. Compared by identity."""

    __slots__ = ("_fields", "derived", "doc", "document", "is_tree", "name", "open", "package", "plain", "source")

    def __init__(
        self,
        name: str = "",
        *,
        doc: str = "",
        fields: Mapping[str, Field] | None = None,
        source: Any = None,
        is_tree: bool = False,
    ) -> None:
        self.name = name
        """Empty for a schema that OpenAPI writes inline."""
        self.doc = doc
        self.source = source
        """The struct type that the fields were read off, if any."""
        self.is_tree = is_tree
        """True if values are JSON objects; false if they are Python objects with the fields as attributes."""
        self._fields = fields
        self.plain = False
        """True if no field has a marker that values are checked against: other code checks them."""
        self.open = False
        """True if objects may have further fields."""
        self.package = ""
        """The package in OpenAPI, if it does not follow from the module of the type."""
        self.document: Callable[[bool], dict[str, Any]] | None = None
        """Returns the OpenAPI form, if it does not follow from the fields; the argument is true for version 2."""
        self.derived: dict[Hashable, Any] = {}
        """Results of `per_schema` functions, with the lifetime of the schema."""

    @property
    def fields(self) -> Mapping[str, Field]:
        """Returns the fields by wire name, in the order of declaration."""
        if self._fields is None:
            self._fields = _read_fields(self.source)
        return self._fields

    def value(self, obj: Any, field: Field) -> Any:
        """Returns the field of a value of this schema; None if a JSON object does not have it."""
        return obj.get(field.name) if self.is_tree else getattr(obj, field.attr)


def per_schema(function: Callable[[Schema], R]) -> Callable[[Schema], R]:
    """Decorates a function so that it is called once for a schema. Unlike with `functools.cache`, the result is freed
    with the schema."""

    def cached(schema: Schema) -> R:
        value = schema.derived.get(function, _MISSING)
        if value is _MISSING:
            value = schema.derived[function] = function(schema)
        return cast(R, value)

    return cached


_MISSING = object()


@functools.cache
def schema_of(struct: Any) -> Schema:
    """Returns the schema of a struct type; the same object every time."""
    own_doc = struct.__dict__.get("__doc__") or ""
    return Schema(struct.__name__, doc=" ".join(own_doc.split()), source=struct)


def _read_fields(struct: Any) -> dict[str, Field]:
    """Reads the fields of a struct type. `msgspec.structs.fields` would evaluate the annotations a second time."""
    names, defaults = struct.__struct_fields__, struct.__struct_defaults__
    given = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    hints = _annotations(struct)
    return {
        wire: Field(wire, attr, type_info(hints[attr]), _constant(given.get(attr, msgspec.NODEFAULT)))
        for wire, attr in zip(struct.__struct_encode_fields__, names, strict=True)
    }


def _constant(default: Any) -> Any:
    return msgspec.NODEFAULT if isinstance(default, _FACTORY) else default


_FACTORY = type(msgspec.defstruct("_", [("made", list[str], [])]).__struct_defaults__[0])
"""The type by which msgspec marks a default that is made for each object."""


@functools.cache
def _annotations(struct: Any) -> Mapping[str, Any]:
    """Returns the evaluated annotations. Those of a base, such as `Object`, are evaluated once for all its types."""
    known: dict[str, Any] = {}
    for base in struct.__mro__[:0:-1]:
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct:
            known |= _annotations(base)
    own = inspect.get_annotations(struct)
    if any(isinstance(hint, str) for hint in own.values()):  # of a module with `from __future__ import annotations`
        texts = types.SimpleNamespace(__annotations__=own)
        own = get_type_hints(texts, vars(sys.modules[struct.__module__]), vars(struct), include_extras=True)
    return known | own


def type_info(hint: Any) -> TypeInfo:
    """Reads one annotation. Raises TypeError for a type that JSON cannot represent."""
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
        return TypeInfo("struct", schema=schema_of(hint), nullable=nullable, markers=markers)
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
    shapes = [one.shape for one in read]
    if sorted(shapes) in (["bool", "struct"], ["list", "struct"]):
        struct, other = sorted(read, key=lambda one: one.shape != "struct")
        form = Alternative(bool, 2, 1) if other.shape == "bool" else Alternative(list, 1, 2)
        return TypeInfo("struct", schema=struct.schema, nullable=True, markers=(*markers, form))
    return TypeInfo("raw", nullable=nullable, markers=markers)


def _read_container(origin: Any, args: tuple[Any, ...], *, nullable: bool, markers: tuple[Any, ...]) -> TypeInfo:
    item = type_info(args[1] if origin is dict else args[0])
    if origin is dict and item.shape == "raw":
        return TypeInfo("raw", nullable=nullable, markers=markers)
    return TypeInfo("map" if origin is dict else "list", item=item, nullable=nullable, markers=markers)
