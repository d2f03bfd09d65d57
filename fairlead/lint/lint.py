"""Checks files: text, fields, the server's rules, and the objects with each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairlead.base.dataclass import dataclass
from fairlead.base.texts import text
from fairlead.lint.checks import CHECKS
from fairlead.lint.context import Context
from fairlead.lint.document import Value
from fairlead.lint.fields import fit_fields
from fairlead.lint.header import find_kind
from fairlead.lint.older import modernise
from fairlead.lint.problem import Problem
from fairlead.lint.repair import Repaired, has_tabs, repair, separate
from fairlead.lint.rules import apply_rules
from fairlead.lint.templates import find_template
from fairlead.lint.world import Manifest, World
from fairlead.machinery.kinds.scheme import Scheme

_TAB_WIDTHS = (4, 2, 8)
_MOST_ROUNDS = 20
_OF_TEXT = frozenset(("tab",))
"""Rules whose places are those of the original line already."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or a part of a stream, as text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    problems: tuple[Problem, ...]
    documents: int
    lines: dict[str, tuple[str, ...]]
    """The original lines of each file."""

    @property
    def has_errors(self) -> bool:
        return any(one.severity == "error" for one in self.problems)


@dataclass(frozen=True, slots=True)
class _Checked:
    problems: tuple[Problem, ...]
    manifests: tuple[Manifest, ...]
    documents: int


def lint(sources: Sequence[Source], scheme: Scheme) -> Result:
    """Returns the problems of all files, in order of file and line."""
    checked = [_check_file(source, scheme) for source in sources]
    world = World([one for file in checked for one in file.manifests])
    problems = [one for file in checked for one in file.problems]
    for check in CHECKS:
        problems += check(world)
    return Result(
        tuple(sorted(problems, key=lambda one: one.order)),
        sum(file.documents for file in checked),
        {source.name: tuple(source.text.splitlines()) for source in sources},
    )


def _check_file(source: Source, scheme: Scheme) -> _Checked:
    """Checks a file alone. The width of tabs is the one that leaves the fewest mistakes."""
    template = find_template(source.name, source.text)
    if template is not None:
        return _Checked((template,), (), 1)
    widths = _TAB_WIDTHS if has_tabs(source.text) else _TAB_WIDTHS[:1]
    return min((_check_text(source, scheme, width) for width in widths), key=_doubt)


def _doubt(checked: _Checked) -> tuple[int, int]:
    """Returns how little of a text was understood: its lines without a correction, then its mistakes."""
    unread = sum(one.rule in ("yaml", "missing-space") and not one.fixes for one in checked.problems)
    return unread, len(checked.problems)


def _check_text(source: Source, scheme: Scheme, tab_width: int) -> _Checked:
    repaired = repair(source.name, source.text, tab_width=tab_width)
    for _ in range(_MOST_ROUNDS):
        context, manifests = _check_documents(source.name, repaired, scheme)
        if not context.unseparated:
            break
        again = separate(source.name, repaired, sorted(set(context.unseparated)))
        is_better = again.lines != repaired.lines
        repaired = again
        if not is_better:
            break
    lines = source.text.splitlines()
    found = (*map(repaired.final, repaired.problems), *context.settled())
    problems = tuple(repaired.original(one, lines) if one.rule not in _OF_TEXT else one for one in found)
    return _Checked(problems, tuple(manifests), len(repaired.documents))


def _check_documents(file: str, repaired: Repaired, scheme: Scheme) -> tuple[Context, list[Manifest]]:
    context = Context(file, repaired.lines)
    manifests = []
    for document in repaired.documents:
        for one in _objects(document):
            manifest = _check_object(context, one, scheme)
            if manifest is not None:
                manifests.append(manifest)
    return context, manifests


def _objects(document: Value) -> Iterator[Value]:
    """Yields the objects of a document: those of a `List`, else the document itself."""
    if document.string("kind") == "List" and document.string("apiVersion") == "v1":
        yield from document.list_at("items")
    else:
        yield document


def _check_object(context: Context, document: Value, scheme: Scheme) -> Manifest | None:
    context.reported.clear()
    if document.form != "mapping":
        if document.plain and ":" in document.text:
            context.unseparated += range(document.span.line, document.last_line + 1)
        context.report("not-an-object", "error", document.span, text("this document is not a Kubernetes object"))
        return None
    kind = find_kind(context, document, scheme)
    if kind is None:
        return Manifest(context, document, document.string("kind"), document.string("apiVersion"))
    modernise(context, document, kind.kind)
    fit_fields(context, document, kind.schema)
    if not context.unseparated:
        apply_rules(context, document, kind)
    return Manifest(context, document, kind.kind, kind.api_version)
