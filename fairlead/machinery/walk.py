"""Compiles a question about single values into one about whole objects: is every value in there good?

The answer is nearly always yes, so it has to be quick: a type becomes a nest of closures that skips every branch in
which nothing can be wrong, carries no paths and makes no lists. Only after a no does anybody walk again, slowly,
to find out where.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.machinery.schema import TypeInfo, schema_of

Test = Callable[[Any], bool]
Leaf = Callable[[TypeInfo], Test | None]
"""What to ask of values of a type; None where there is nothing to ask. Absent values are asked about too."""


class Tests:
    """The compiled tests of one question, made on first use of a type and kept."""

    def __init__(self, leaf: Leaf, *, skip: tuple[str, ...] = ()) -> None:
        self._leaf = leaf
        self._skip = skip
        """Fields of the outermost struct that are not asked about."""
        self._whole: dict[Any, Test] = {}
        self._structs: dict[Any, Test | None] = {}

    def good(self, obj: Any) -> bool:
        """Whether nothing is wrong anywhere in the struct."""
        test = self._whole.get(type(obj))
        if test is None:
            test = self._whole[type(obj)] = self._fields(type(obj), self._skip) or _anything
        return test(obj)

    def _struct(self, struct: Any) -> Test | None:
        if struct not in self._structs:
            self._structs[struct] = lambda obj: (self._structs[struct] or _anything)(obj)  # a type may contain itself
            self._structs[struct] = self._fields(struct, ())
        return self._structs[struct]

    def _fields(self, struct: Any, skip: tuple[str, ...]) -> Test | None:
        parts = []
        for field in schema_of(struct).fields.values():
            test = None if field.name in skip else self._value(field.type)
            if test is not None:
                parts.append((field.attr, test))
        return _all_fields(tuple(parts)) if parts else None

    def _value(self, info: TypeInfo) -> Test | None:
        own, inner = self._leaf(info), self._inner(info)
        if own is None or inner is None:
            return own or inner
        return lambda value: own(value) and inner(value)

    def _inner(self, info: TypeInfo) -> Test | None:
        if info.shape == "struct":
            test = self._struct(info.struct)
            return None if test is None else lambda value: value is None or test(value)
        item = self._value(info.item) if info.item else None
        if item is None:
            return None
        if info.shape == "map":
            return lambda value: not value or all(map(item, value.values()))
        return lambda value: not value or all(map(item, value))


def _anything(_: Any) -> bool:
    return True


def _all_fields(parts: tuple[tuple[str, Test], ...]) -> Test:
    def test(obj: Any) -> bool:
        for attr, good in parts:  # noqa: SIM110 - all() over a generator takes twice the time
            if not good(getattr(obj, attr)):
                return False
        return True

    return test
