"""Compiles a test of single values into a test of whole objects: whether every value in an object passes.

Nearly every object passes, so the test must be fast. Each type becomes a nest of closures that skips every branch
without anything to test, and makes no paths and no lists. Only if the test fails, the caller walks the object again,
slowly, to find the path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.machinery.schemas.markers import Alternative
from fairlead.machinery.schemas.schema import Schema, TypeInfo

Test = Callable[[Any], bool]
Leaf = Callable[[TypeInfo], Test | None]
"""Returns the test of the values of a type; None if there is nothing to test. Absent values are tested too."""


class Tests:
    """The compiled tests of one leaf test, made on first use of a type and kept."""

    def __init__(self, leaf: Leaf, *, skip: tuple[str, ...] = ()) -> None:
        self._leaf = leaf
        self._skip = skip
        """Fields of the outermost struct that are not tested."""

    def good(self, schema: Schema, obj: Any) -> bool:
        """Returns whether every value in an object of the schema passes."""
        test = schema.derived.get(self)
        if test is None:
            test = schema.derived[self] = self._fields(schema, self._skip) or _anything
        return bool(test(obj))

    def _struct(self, schema: Schema) -> Test | None:
        key = (self, "part")
        if key not in schema.derived:
            schema.derived[key] = lambda obj: (schema.derived[key] or _anything)(obj)  # a type may contain itself
            schema.derived[key] = self._fields(schema, ())
        test: Test | None = schema.derived[key]
        return test

    def _fields(self, schema: Schema, skip: tuple[str, ...]) -> Test | None:
        if schema.plain:
            return None
        parts = []
        for field in schema.fields.values():
            test = None if field.name in skip else self._value(field.type)
            if test is not None:
                parts.append((field.attr, test))
        if not parts:
            return None
        return _all_members(tuple(parts)) if schema.is_tree else _all_fields(tuple(parts))

    def _value(self, info: TypeInfo) -> Test | None:
        own, inner = self._leaf(info), self._inner(info)
        if own is None or inner is None:
            return own or inner
        return lambda value: own(value) and inner(value)

    def _inner(self, info: TypeInfo) -> Test | None:
        if info.shape == "struct":
            test = self._struct(info.schema) if info.schema is not None else None
            if test is None:
                return None
            form = info.marker(Alternative)
            if form is not None:
                return _either(test, form.other)
            return lambda value: value is None or test(value)
        item = self._value(info.item) if info.item else None
        if item is None:
            return None
        if info.shape == "map":
            return lambda value: not value or all(map(item, value.values()))
        return lambda value: not value or all(map(item, value))


def _either(test: Test, other: type) -> Test:
    """Returns the test of values that are structs or have another form."""

    def good(value: Any) -> bool:
        if isinstance(value, list):
            return all(map(test, value))
        return value is None or isinstance(value, other) or test(value)

    return good


def _anything(_: Any) -> bool:
    return True


def _all_fields(parts: tuple[tuple[str, Test], ...]) -> Test:
    def test(obj: Any) -> bool:
        for attr, good in parts:  # noqa: SIM110 - all() over a generator takes twice the time
            if not good(getattr(obj, attr)):
                return False
        return True

    return test


def _all_members(parts: tuple[tuple[str, Test], ...]) -> Test:
    return lambda obj: all(good(obj.get(name)) for name, good in parts)
