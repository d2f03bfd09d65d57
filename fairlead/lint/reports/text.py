"""The report for people: file, line, caret, meaning and the corrected line."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby

from fairlead.base.texts import Catalogue, Text, text
from fairlead.lint.lint import Result
from fairlead.lint.problem import Problem, Severity

_MOST_FIXED_LINES = 16
_COLOURS: dict[Severity, str] = {"error": "\033[31m", "warning": "\033[33m", "note": "\033[36m"}
_BOLD, _GREEN, _PLAIN = "\033[1m", "\033[32m", "\033[0m"
_SEVERITIES: dict[Severity, Text] = {"error": text("error"), "warning": text("warning"), "note": text("note")}


def render(result: Result, catalogue: Catalogue, *, colours: bool) -> str:
    """Returns the report. Problems of one line stand together above its corrected line."""
    parts = []
    for (file, _), group in groupby(result.problems, key=lambda one: (one.file, one.span.line)):
        parts.append("\n".join(_group(list(group), result.lines.get(file, ()), catalogue, colours=colours)))
    parts.append(_summary(result, catalogue))
    return "\n\n".join(parts)


def _group(problems: Sequence[Problem], lines: Sequence[str], catalogue: Catalogue, *, colours: bool) -> Iterator[str]:
    row = problems[0].span.line
    source = lines[row] if row < len(lines) else ""
    margin = len(str(1 + max(row, *(fix.line for one in problems for fix in one.fixes), 0)))
    for problem in problems:
        yield _head(problem, catalogue, colours=colours)
        yield f"{row + 1:>{margin}} | {_shown(source)}"
        yield f"{'':>{margin}} | {_caret(problem, source, colours=colours)}"
    fixes = {fix.line: fix.text for one in problems for fix in one.fixes}
    for line in sorted(fixes)[:_MOST_FIXED_LINES]:
        fixed = f"{line + 1:>{margin}} + {fixes[line].rstrip()}"
        yield f"{_GREEN}{fixed}{_PLAIN}" if colours else fixed
    for problem in problems:
        if problem.help is not None:
            yield f"{'':>{margin}} = {catalogue.render(problem.help)}"


def _head(problem: Problem, catalogue: Catalogue, *, colours: bool) -> str:
    place = f"{problem.file}:{problem.span.line + 1}:{problem.span.column + 1}"
    severity = catalogue.render(_SEVERITIES[problem.severity])
    message = catalogue.render(problem.message)
    if not colours:
        return f"{place}: {severity}: {message} [{problem.rule}]"
    return f"{_BOLD}{place}{_PLAIN}: {_COLOURS[problem.severity]}{severity}{_PLAIN}: {message} [{problem.rule}]"


def _shown(source: str) -> str:
    """Returns the line with its tabs visible, one column each, so that the caret stands below its place."""
    return source.replace("\t", "→")


def _caret(problem: Problem, source: str, *, colours: bool) -> str:
    width = sum(_width(one) for one in _shown(source)[: problem.span.column])
    marked = _shown(source)[problem.span.column : problem.span.end_column]
    caret = " " * width + "^" * max(sum(_width(one) for one in marked), 1)
    return f"{_COLOURS[problem.severity]}{caret}{_PLAIN}" if colours else caret


def _width(character: str) -> int:
    """Returns the columns of a character on a terminal: Korean letters take two."""
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 0 if unicodedata.combining(character) else 1


def _summary(result: Result, catalogue: Catalogue) -> str:
    counts = [sum(one.severity == severity for one in result.problems) for severity in ("error", "warning", "note")]
    if not result.problems:
        return catalogue.render(text("documents: {documents}, no problems", documents=result.documents))
    return catalogue.render(
        text(
            "documents: {documents}, errors: {errors}, warnings: {warnings}, notes: {notes}",
            documents=result.documents,
            errors=counts[0],
            warnings=counts[1],
            notes=counts[2],
        )
    )
