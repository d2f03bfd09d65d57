"""YAML documents as values with positions.

What must stay true: `tree()` of a document equals what the API server reads of the same text
(`machinery/values/yamltree.py`), and every value and key knows its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from fairlead.base.dataclass import dataclass, field
from fairlead.lint.problem import Span
from fairlead.machinery.values.yamltree import loader, scalar_value

MOST_VALUES = 200_000
"""Greatest number of values of a file, aliases resolved: a few lines of YAML can stand for millions."""

Path = tuple["str | int", ...]


@dataclass(slots=True)
class Value:
    """A mapping, a list or a scalar."""

    form: Literal["mapping", "list", "scalar"]
    span: Span
    """The first line of the value; of a scalar on one line, all of it."""
    last_line: int
    """The last line with a part of the value."""
    entries: list[Entry] = field(default_factory=list)
    """The members of a mapping, repeated keys included."""
    items: list[Value] = field(default_factory=list)
    scalar: Any = None
    """The JSON value of a scalar."""
    text: str = ""
    """A scalar's text, without quotes."""
    plain: bool = False
    """True for a scalar without quotes and tag."""
    flow: bool = False
    """True for a mapping or list in braces or brackets."""

    def get(self, *path: str | int) -> Value | None:
        """Returns the value at a path below; None if it is absent or null."""
        value: Value | None = self
        for part in path:
            value = value._child(part) if value is not None else None
        return None if value is None or value.is_null else value

    def _child(self, part: str | int) -> Value | None:
        if isinstance(part, int):
            return self.items[part] if self.form == "list" and part < len(self.items) else None
        entry = self.entry(part)
        return entry.value if entry is not None else None

    def entry(self, key: str) -> Entry | None:
        """Returns the last member with the key, which is the one that counts."""
        return next((one for one in reversed(self.entries) if one.key == key), None)

    @property
    def is_null(self) -> bool:
        return self.form == "scalar" and self.scalar is None

    def string(self, *path: str | int) -> str:
        """Returns the string at a path below; empty if the path is absent."""
        value = self.get(*path)
        return value.scalar if value is not None and isinstance(value.scalar, str) else ""

    def list_at(self, *path: str | int) -> list[Value]:
        """Returns the items of the list at a path below; nothing if the path is absent."""
        value = self.get(*path)
        return value.items if value is not None else []

    def strings_at(self, *path: str | int) -> dict[str, str]:
        """Returns the mapping of strings at a path below."""
        value = self.get(*path)
        return {one.key: str(one.value.scalar) for one in value.entries} if value is not None else {}

    def tree(self) -> Any:
        """Returns the JSON tree."""
        if self.form == "mapping":
            return {one.key: one.value.tree() for one in self.entries}
        if self.form == "list":
            return [one.tree() for one in self.items]
        return self.scalar


@dataclass(slots=True)
class Entry:
    """A member of a mapping."""

    key: str
    span: Span
    """The key."""
    value: Value


def read(source: str) -> list[Value]:
    """Returns the documents of a text that are not empty. Raises yaml.YAMLError, ValueError, RecursionError."""
    parser = loader()(source)
    reader = _Reader()
    documents = []
    try:
        while parser.check_node():
            value = reader.value(parser.get_node())
            if not value.is_null:
                documents.append(value)
    finally:
        parser.dispose()
    return documents


class _Reader:
    """Turns nodes of PyYAML into values, and counts them."""

    def __init__(self) -> None:
        self._count = 0

    def value(self, node: Any) -> Value:
        self._count += 1
        if self._count > MOST_VALUES:
            raise ValueError(f"the file has more than {MOST_VALUES} values, aliases resolved")
        first, last = node.start_mark, node.end_mark
        same_line = first.line == last.line
        span = Span(first.line, first.column, last.column if same_line else first.column + 1)
        end = last.line if last.column or same_line else last.line - 1
        if node.id == "mapping":
            return Value("mapping", span, end, entries=list(self._entries(node)), flow=bool(node.flow_style))
        if node.id == "sequence":
            items = [self.value(one) for one in node.value]
            return Value("list", span, end, items=items, flow=bool(node.flow_style))
        plain = not node.style
        scalar = _scalar(node)
        return Value("scalar", span, end, scalar=scalar, text=node.value, plain=plain)

    def _entries(self, node: Any) -> Iterator[Entry]:
        """Yields the members in document order, those of a merge key (`<<`) last unless they are given."""
        merged: list[Any] = []
        given = set()
        for key, value in node.value:
            if key.tag.endswith(":merge"):
                merged += value.value if value.id == "sequence" else [value]
                continue
            name = _key(key)
            given.add(name)
            yield Entry(name, _span(key), self.value(value))
        for one in merged:
            for entry in self._entries(one) if one.id == "mapping" else ():
                if entry.key not in given:
                    given.add(entry.key)
                    yield entry


def _scalar(node: Any) -> Any:
    import yaml

    try:
        return scalar_value(node.tag, node.value)
    except ValueError as e:
        raise yaml.constructor.ConstructorError(None, None, str(e), node.start_mark) from e


def _key(node: Any) -> str:
    import yaml

    if node.id != "scalar":
        raise yaml.constructor.ConstructorError(None, None, f"a key must be a string, not a {node.id}", node.start_mark)
    value = _scalar(node)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _span(node: Any) -> Span:
    first, last = node.start_mark, node.end_mark
    return Span(first.line, first.column, last.column if last.line == first.line else first.column + 1)
