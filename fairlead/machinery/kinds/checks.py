"""Checks an object against its markers and its kind's rules, and returns every cause.

Markers are `Required`, `Range`, `OneOf` and `Format`. Only `Required` rejects an absent or zero value; a `Range`
accepts a 0, unless the field is nullable and the 0 was given. In the common case of a valid object, compiled tests
(`walk`) give the answer without making a list or a path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import Immutable, Kind, OneOf, Range, Required
from fairlead.machinery.kinds.metadata import check_metadata, check_metadata_update
from fairlead.machinery.schemas.markers import Alternative
from fairlead.machinery.schemas.schema import Field, Schema, TypeInfo, schema_of
from fairlead.machinery.schemas.walk import Test, Tests
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required

T = TypeVar("T")

__all__ = ["check", "check_metadata", "check_metadata_update", "check_struct", "immutable"]

IMMUTABLE_TEXT = "field is immutable"


def check(kind: Kind[T], obj: T) -> list[FieldError]:
    """Returns all errors of a defaulted object outside its metadata (`check_metadata`): markers, then rules."""
    errors = [] if _MARKERS.good(kind.schema, obj) else list(_struct_errors(kind.schema, obj, "", skip=("metadata",)))
    errors += kind.rules(obj)
    return errors


def check_struct(obj: Any, path: str = "") -> list[FieldError]:
    """Returns the errors by the markers of any struct: a subresource's body, or a part of an object."""
    struct: Any = type(obj)
    schema = schema_of(struct)
    return [] if _ALL_MARKERS.good(schema, obj) else list(_struct_errors(schema, obj, path))


def immutable(kind: Kind[T], old: T, new: T) -> list[FieldError]:
    """Returns an error for every field marked `Immutable` that an update changes."""
    return list(_immutable_errors(kind.schema, old, new, ""))


def _marker_test(info: TypeInfo) -> Test | None:
    tests: list[Test] = []
    if info.marker(Required):
        tests.append(_given)
    if choices := info.marker(OneOf):
        tests.append(_one_of(choices))
    if bounds := info.marker(Range):
        tests.append(_within(bounds, zero_is_absent=not info.nullable))
    if text_check := names.FORMATS.get(info.format):
        tests.append(_formatted(text_check))
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda value: all(test(value) for test in tests)


def _given(value: Any) -> bool:
    return bool(value)


def _one_of(choices: OneOf) -> Test:
    allowed = {"", None, *choices.values}
    return lambda value: value in allowed


def _within(bounds: Range, *, zero_is_absent: bool) -> Test:
    low, high = bounds.low, bounds.high

    def test(value: Any) -> bool:
        if not isinstance(value, int) or (zero_is_absent and value == 0):
            return True
        return low <= value <= high

    return test


def _formatted(text_check: names.Check) -> Test:
    return lambda value: not value or not isinstance(value, str) or not text_check(value)


_MARKERS = Tests(_marker_test, skip=("metadata",))
_ALL_MARKERS = Tests(_marker_test)


def _struct_errors(schema: Schema, obj: Any, path: str, *, skip: tuple[str, ...] = ()) -> Iterator[FieldError]:
    for field in schema.fields.values():
        if field.name not in skip:
            field_path = f"{path}.{field.name}" if path else field.name
            yield from _value_errors(field.type, schema.value(obj, field), field_path)


def _value_errors(info: TypeInfo, value: Any, path: str) -> Iterator[FieldError]:
    yield from _marker_errors(info, value, path)
    if not value and info.shape != "struct":
        return
    if info.schema is not None and value is not None:
        form = info.marker(Alternative)
        if form is None or not isinstance(value, form.other):
            yield from _struct_errors(info.schema, value, path)
    elif info.shape == "list" and info.item:
        for i, item in enumerate(value):
            yield from _value_errors(info.item, item, f"{path}[{i}]")
    elif info.shape == "map" and info.item:
        for key, item in value.items():
            yield from _value_errors(info.item, item, f"{path}[{key}]")


def _marker_errors(info: TypeInfo, value: Any, path: str) -> Iterator[FieldError]:
    if not value and info.marker(Required) is not None:
        yield required(path)
        return
    choices, bounds = info.marker(OneOf), info.marker(Range)
    if choices and value and value not in choices.values:
        yield not_supported(path, value, choices.values)
    if bounds and not _within(bounds, zero_is_absent=not info.nullable)(value):
        yield invalid(path, value, names.range_text(bounds.low, bounds.high))
    text_check = names.FORMATS.get(info.format)
    if text_check and value and isinstance(value, str):
        for text in text_check(value):
            yield invalid(path, value, text)


def _immutable_errors(schema: Schema, old: Any, new: Any, path: str) -> Iterator[FieldError]:
    for field in _leading_to_immutable(schema):
        before, after = schema.value(old, field), schema.value(new, field)
        field_path = f"{path}.{field.name}" if path else field.name
        if field.marker(Immutable):
            if before != after:
                yield invalid(field_path, to_tree(after), IMMUTABLE_TEXT)
        elif field.marker(Alternative) is not None:
            continue  # a struct or another form: neither has immutable fields
        elif field.type.schema is not None and before is not None and after is not None:
            yield from _immutable_errors(field.type.schema, before, after, field_path)


def _leading_to_immutable(schema: Schema) -> Iterable[Field]:
    """Returns the fields that are immutable or structs with such a field. Computed once, because few structs have
    any."""
    if schema.plain:
        return ()
    found: Iterable[Field] | None = schema.derived.get(_leading_to_immutable)
    if found is None:
        # A struct may contain itself; until its own fields are known, it counts as one with an immutable field.
        schema.derived[_leading_to_immutable] = tuple(schema.fields.values())
        found = schema.derived[_leading_to_immutable] = tuple(filter(_leads, schema.fields.values()))
    return found


def _leads(field: Field) -> bool:
    inner = field.type.schema
    return field.marker(Immutable) is not None or (inner is not None and bool(_leading_to_immutable(inner)))
