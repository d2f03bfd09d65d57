"""The shape of a type for apply: which values merge field by field, which by key, and which are replaced whole.

Shapes are derived from the schema, once. As upstream, lists without a marker are atomic, and maps and structs are
granular. A field with a `Default` counts as given if it is the key of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from fairlead.base.dataclass import dataclass, field
from fairlead.machinery.kinds.kind import Atomic, Default, ListMap, SetList
from fairlead.machinery.schemas.schema import Schema, TypeInfo, per_schema

Form = Literal["leaf", "struct", "map", "keyed", "set", "free"]
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True, eq=False)
class Shape:
    form: Form
    """`free` is decided by each value: objects are granular, all else is a leaf."""
    type: TypeInfo | None = None
    item: Shape | None = None
    keys: tuple[str, ...] = ()
    """The keys of a list in sorted order, as in a path."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The values of absent keys of an item, by key."""

    known: dict[str, tuple[str, Shape]] | None = None
    """The result of `fields`."""
    plans: dict[tuple[tuple[str, ...], str], Any] = field(default_factory=dict)
    """Texts of structs with given members, which `newfields` derives. They are freed with the shape: custom kinds come
    and go."""

    def fields(self) -> dict[str, tuple[str, Shape]]:
        """Returns the members of a struct by name: the step in a path, and the shape."""
        if self.known is None:
            # Computed on first use, because a type may contain itself.
            self.known = _fields(self.type.schema) if self.form == "struct" and self.type and self.type.schema else {}
        return self.known

    def prefixes(self) -> dict[str, tuple[str, Shape]]:
        """Returns the members of a struct by name: the beginning of the member in a set's text, and the shape."""
        return _leads(self.type.schema) if self.type and self.type.schema else {}

    def step(self, item: Any) -> str:
        """Returns the path element of an item of a list."""
        if self.form == "set":
            return "v:" + _encode(item).decode()
        given = item if isinstance(item, dict) else {}
        keys = {}
        for key in self.keys:
            value = given.get(key)
            keys[key] = self.defaults.get(key) if value is None else value
        return "k:" + _encode(keys).decode()


FREE = Shape("free")
_FORMS: dict[str, Form] = {"struct": "struct", "map": "map", "raw": "free"}


@per_schema
def shape_of(schema: Schema) -> Shape:
    """Returns the shape of a whole object; the same one every time."""
    return Shape("struct", TypeInfo("struct", schema=schema))


@per_schema
def _fields(schema: Schema) -> dict[str, tuple[str, Shape]]:
    return {name: (f"f:{name}", _shape(field.type)) for name, field in schema.fields.items()}


@per_schema
def _leads(schema: Schema) -> dict[str, tuple[str, Shape]]:
    return {name: (f'"{step}":', shape) for name, (step, shape) in _fields(schema).items()}


def _shape(info: TypeInfo) -> Shape:
    if info.marker(Atomic) is not None:
        return Shape("leaf", info)
    if info.shape == "list":
        return _list_shape(info)
    if info.shape == "map":
        return Shape("map", info, _shape(info.item) if info.item else FREE)
    return Shape(_FORMS.get(info.shape, "leaf"), info)


def _list_shape(info: TypeInfo) -> Shape:
    keyed = info.marker(ListMap)
    if keyed is not None and keyed.keys and info.item is not None and info.item.schema is not None:
        known = info.item.fields
        keys = tuple(sorted(keyed.keys))
        markers = {key: known[key].marker(Default) for key in keys if key in known}
        defaults = {key: default.value for key, default in markers.items() if default is not None}
        return Shape("keyed", info, shape_of(info.item.schema), keys, defaults)
    if info.marker(SetList) is not None:
        return Shape("set", info, Shape("leaf", info.item))
    return Shape("leaf", info)


def below(shape: Shape, name: str) -> tuple[str, Shape]:
    """Returns the step and shape of a member of a struct, a map or a free object."""
    if shape.form == "struct":
        field = shape.fields().get(name)
        return field if field is not None else (f"f:{name}", FREE)
    return f"f:{name}", shape.item or FREE


def is_granular(shape: Shape, value: Any) -> bool:
    """Returns whether the value is an object whose members have owners one by one."""
    return shape.form in ("struct", "map", "free") and isinstance(value, dict)


def is_list(shape: Shape, value: Any) -> bool:
    """Returns whether the value is a list whose items have owners one by one."""
    return shape.form in ("keyed", "set") and isinstance(value, list)
