"""Compares a document with its kind's schema: unknown and misplaced fields, and values of the wrong type.

A mistake that is understood is cured in the document, so that what follows is checked as it is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fairlead.base.dataclass import dataclass
from fairlead.base.texts import Text, text
from fairlead.lint.context import Context
from fairlead.lint.document import Entry, Path, Value
from fairlead.lint.near import nearest
from fairlead.lint.problem import Fix, Span
from fairlead.lint.scalars import fit_scalar
from fairlead.machinery.schemas.markers import Alternative
from fairlead.machinery.schemas.schema import Field, Schema, TypeInfo

_PAIRS = re.compile(r"[\w./-]+=[A-Za-z][\w.-]*(?:,[\w./-]+=[A-Za-z][\w.-]*)*")
_WORDS = re.compile(r"[\w./:=-]+(?: [\w./:=-]+)+")
"""A command of several plain words: no shell splits it in Kubernetes."""
_GLUED = re.compile(r"[A-Za-z_][\w./-]*:[^\s/].*")
_DEPTH = 3
"""Levels down to which the place of a misplaced field is looked for."""
_MOST_LINES = 16
"""Longest block that is shown corrected."""
_SERVER_FIELDS = frozenset(("status",))


@dataclass(frozen=True, slots=True)
class _Frame:
    """A struct on the way to the present one."""

    schema: Schema
    path: Path


def fit_fields(context: Context, document: Value, schema: Schema) -> None:
    """Checks a document, and cures what is understood."""
    _Walk(context).struct(document, schema, (), ())


class _Walk:
    def __init__(self, context: Context) -> None:
        self._context = context

    def struct(self, value: Value, schema: Schema, path: Path, above: tuple[_Frame, ...]) -> None:
        frames = (*above, _Frame(schema, path))
        self._duplicates(value, path)
        for entry in list(value.entries):
            known = schema.fields.get(entry.key)
            if known is None and not schema.open:
                known = self._unknown(value, entry, frames)
            if known is not None and not self._swallowed(entry.value, schema):
                self.value(entry, known.type, (*path, entry.key), frames)

    def _swallowed(self, value: Value, schema: Schema) -> bool:
        """Notes the lines of a text over several lines that are further members, such as `port:80`."""
        if value.form != "scalar" or not value.plain:
            return False
        rows = [
            row
            for row in range(value.span.line + 1, value.last_line + 1)
            if re.split(r"[: ]", self._context.lines[row].strip(), maxsplit=1)[0] in schema.fields
        ]
        self._context.unseparated += rows
        return bool(rows)

    def value(self, entry: Entry, info: TypeInfo, path: Path, frames: tuple[_Frame, ...]) -> None:
        value = entry.value
        if value.is_null or info.shape == "raw":
            return
        if self._glued(value, info):
            return
        match info.shape:
            case "struct" if info.schema is not None:
                self._struct_value(entry, info, path, frames)
            case "list":
                self._list(entry, info, path, frames)
            case "map":
                self._map(entry, info, path, frames)
            case _ if value.form != "scalar":
                self._wrong_form(entry, path, _FORMS[value.form], _form_of(info))
            case _:
                fit_scalar(self._context, entry, info, path)

    def _struct_value(self, entry: Entry, info: TypeInfo, path: Path, frames: tuple[_Frame, ...]) -> None:
        value, form = entry.value, info.marker(Alternative)
        assert info.schema is not None
        if value.form == "mapping":
            self.struct(value, info.schema, path, frames)
        elif form is not None and isinstance(value.tree(), form.other):
            for item in value.items:
                self.value(Entry(entry.key, item.span, item), info, path, frames)
        elif value.form == "list" and len(value.items) == 1 and value.items[0].form == "mapping":
            self._extra_dash(entry, path)
            self.struct(entry.value, info.schema, path, frames)
        else:
            self._wrong_form(entry, path, _given(value), _FORMS["mapping"])

    def _list(self, entry: Entry, info: TypeInfo, path: Path, frames: tuple[_Frame, ...]) -> None:
        value = entry.value
        if value.form == "mapping":
            self._missing_dash(entry, path)
        elif value.form == "scalar":
            self._lone_item(entry, path)
        item = info.item
        for at, one in enumerate(entry.value.items):
            if item is not None:
                own = Entry("", one.span, one)
                self.value(own, item, (*path, at), frames)
                entry.value.items[at] = own.value

    def _map(self, entry: Entry, info: TypeInfo, path: Path, frames: tuple[_Frame, ...]) -> None:
        value = entry.value
        if value.form != "mapping":
            self._wrong_form(entry, path, _given(value), _FORMS["mapping"], self._pairs(value, info))
            return
        self._duplicates(value, path)
        for one in value.entries:
            if info.item is not None:
                self.value(one, info.item, (*path, one.key), frames)

    def _glued(self, value: Value, info: TypeInfo) -> bool:
        """Notes the lines of a text such as `name:nginx` or `name nginx` that stands for a mapping."""
        item = info.item if info.shape == "list" and info.item is not None else info
        if value.form != "scalar" or not value.plain or item.shape not in ("struct", "map"):
            return False
        rows = [row for row in range(value.span.line, value.last_line + 1) if self._is_pair(row, item)]
        self._context.unseparated += rows
        return bool(rows)

    def _is_pair(self, row: int, info: TypeInfo) -> bool:
        line = self._context.lines[row].strip().removeprefix("- ").strip()
        return bool(_GLUED.fullmatch(line)) or (line.partition(" ")[0] in info.fields and " " in line)

    def _duplicates(self, value: Value, path: Path) -> None:
        first: dict[str, Entry] = {}
        for entry in value.entries:
            before = first.setdefault(entry.key, entry)
            if before is not entry and before.span.line != entry.span.line:
                message = text(
                    "`{key}` is given twice: here and in line {line}; the last one counts",
                    key=entry.key,
                    line=before.span.line + 1,
                )
                self._context.report("duplicate-key", "error", entry.span, message)
        value.entries[:] = {one.key: one for one in value.entries}.values()

    def _unknown(self, value: Value, entry: Entry, frames: tuple[_Frame, ...]) -> Field | None:
        """Reports a field that the schema lacks; returns the field that was meant, after it was renamed."""
        schema, path = frames[-1].schema, frames[-1].path
        if entry.key.startswith("-") and entry.key[1:].isidentifier():
            self._context.unseparated.append(entry.span.line)
            return None
        self._context.reported.add((*path, entry.key))
        free = [name for name in schema.fields if value.entry(name) is None]
        meant = nearest(entry.key, free)
        exact = meant.lower() == entry.key.lower()
        home = "" if exact else self._home(entry.key, frames)
        if meant and not home:
            message = text("unknown field `{key}`: did you mean `{meant}`?", key=entry.key, meant=meant)
            self._context.report(
                "unknown-field", "error", entry.span, message, self._context.replaced(entry.span, meant)
            )
            entry.key = meant
            return schema.fields[meant]
        value.entries.remove(entry)
        if home:
            message = text("`{key}` stands in the wrong place: it belongs to `{home}`", key=entry.key, home=home)
            self._context.report("misplaced-field", "error", entry.span, message)
            return None
        names = ", ".join(sorted(name for name in schema.fields if name not in _SERVER_FIELDS)[:12])
        message = text("unknown field `{key}` in {place}", key=entry.key, place=_shown(path))
        more = text("known fields are {names}{more}", names=names, more=", ..." if len(schema.fields) > 12 else "")
        self._context.report("unknown-field", "error", entry.span, message, help=more)
        return None

    def _home(self, key: str, frames: tuple[_Frame, ...]) -> str:
        """Returns the path of the place that has a field of this name: above, or below within a few levels."""
        for frame in reversed(frames[:-1]):
            if key in frame.schema.fields and frame.path:
                return _shown(frame.path)
        path = frames[-1].path
        below = next(_places(key, frames[-1].schema, (), _DEPTH), None)
        return "" if below is None else ".".join(part for part in (_shown(path) if path else "", *below) if part)

    def _extra_dash(self, entry: Entry, path: Path) -> None:
        item = entry.value.items[0]
        row = item.span.line
        line = self._context.lines[row]
        fix = Fix(row, line.replace("- ", "  ", 1))
        message = text("`{field}` is a mapping and not a list: remove the dash", field=entry.key)
        self._context.report("extra-dash", "error", Span(row, line.find("-"), line.find("-") + 1), message, fix)
        self._context.reported.add(path)
        entry.value = item

    def _missing_dash(self, entry: Entry, path: Path) -> None:
        value = entry.value
        message = text("`{field}` is a list: a dash is missing before its item", field=entry.key)
        span = value.entries[0].span if value.entries else entry.span
        more = text(
            "write `- ` before `{key}`, and indent lines {first} to {last} by two more spaces",
            key=value.entries[0].key if value.entries else "",
            first=value.span.line + 2,
            last=value.last_line + 1,
        )
        fixes = tuple(self._dashed(value))
        self._context.report("missing-dash", "error", span, message, *fixes, help=None if fixes else more)
        self._context.reported.add(path)
        entry.value = Value("list", value.span, value.last_line, items=[value])

    def _dashed(self, value: Value) -> Iterator[Fix]:
        rows = range(value.span.line, value.last_line + 1)
        if value.flow or len(rows) > _MOST_LINES:
            return
        for row in rows:
            line = self._context.lines[row]
            head = value.span.column
            yield Fix(row, line[:head] + ("- " if row == value.span.line else "  ") + line[head:])

    def _lone_item(self, entry: Entry, path: Path) -> None:
        value, context = entry.value, self._context
        message = text("`{field}` is a list, and this is a single value", field=entry.key)
        words = value.text.split() if entry.key == "command" and _WORDS.fullmatch(value.text) else []
        items = ", ".join(f'"{word}"' for word in words) or context.source(value)
        fix = context.replaced(value.span, f"[{items}]")
        context.report("not-a-list", "error", value.span, message, *((fix,) if value.last_line == fix.line else ()))
        context.reported.add(path)
        entry.value = Value("list", value.span, value.last_line, items=[value])

    def _pairs(self, value: Value, info: TypeInfo) -> Sequence[Fix]:
        """Returns the line with a text such as `app=web,tier=front` as a mapping."""
        given = value.scalar if value.form == "scalar" and value.span.line == value.last_line else None
        if not isinstance(given, str) or not _PAIRS.fullmatch(given) or info.item is None:
            return ()
        pairs = ", ".join(one.replace("=", ": ", 1) for one in given.split(","))
        return (self._context.replaced(value.span, f"{{{pairs}}}"),)

    def _wrong_form(self, entry: Entry, path: Path, given: Text, expected: Text, fixes: Sequence[Fix] = ()) -> None:
        message = text(
            "`{field}` must be {expected}, not {given}", field=entry.key or _shown(path), expected=expected, given=given
        )
        help = None
        if entry.key == "matchLabels" and path[-2:-1] == ("selector",):
            help = text("write the labels directly below `selector`, without `matchLabels`")
        self._context.report("wrong-type", "error", self._context.value_span(entry), message, *fixes, help=help)
        self._context.reported.add(path)
        entry.value = Value("scalar", entry.value.span, entry.value.last_line)


_FORMS = {"list": text("a list"), "mapping": text("a mapping"), "scalar": text("a string")}
_SCALARS = {"int": text("a number"), "float": text("a number"), "bool": text("true or false")}


def _given(value: Value) -> Text:
    """Returns what a value is, in words."""
    if isinstance(value.scalar, bool):
        return _SCALARS["bool"]
    return _SCALARS["int"] if isinstance(value.scalar, int | float) else _FORMS[value.form]


def _form_of(info: TypeInfo) -> Text:
    return _SCALARS.get(info.shape, _FORMS["scalar"])


def _places(key: str, schema: Schema, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, ...]]:
    """Yields the places below with a field of this name, near ones first."""
    below = []
    for name, field in schema.fields.items():
        info = field.type.item if field.type.shape == "list" and field.type.item is not None else field.type
        if info.schema is not None and name not in _SERVER_FIELDS:
            own = (*path, name + ("[]" if info is not field.type else ""))
            if key in info.schema.fields:
                yield own
            below.append((info.schema, own))
    if depth > 1:
        for inner, own in below:
            yield from _places(key, inner, own, depth - 1)


def _shown(path: Path) -> str:
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else part
    return shown or "the document"
