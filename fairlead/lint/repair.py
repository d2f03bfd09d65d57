"""Repairs text that is not YAML, and says which lines were wrong.

The parser often fails below the line of the mistake. So the edits of the lines around the failure are tried, and the
one with which the parser gets furthest is kept; this is repeated until the text can be read. What must stay true: lines
keep their numbers, so that positions in the repaired text are positions in the user's file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from fairlead.base.dataclass import dataclass, replace
from fairlead.base.texts import text
from fairlead.lint.document import Value, read
from fairlead.lint.edits import Edit, edits, missing_colon_before_value, missing_space, missing_space_after_dash
from fairlead.lint.problem import Fix, Problem, Span

_SEPARATORS = (missing_space, missing_space_after_dash, missing_colon_before_value)
_GLUED_DASH = re.compile(r"[ ]*-[A-Za-z_]\w*:( .*)?")
"""A list item without a space behind its dash: YAML reads the dash as a part of the key."""
_BLOCK_SCALAR = re.compile(r"(?:^|[:-])[ ]+[|>][-+1-9]{0,2}[ ]*(?:#.*)?$")
"""The end of a line whose block scalar follows (YAML 1.2, 8.1)."""
_MOST_REPAIRS = 60
_LINES_ABOVE = 4
"""Lines with text above the failure among which the mistake is looked for."""
_Progress = tuple[int, int]
"""The line of the failure, and the first line of what could not be read, such as a quote."""
_WHOLE: _Progress = (1 << 30, 0)
"""The progress of a text that can be read to its end."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A text that can be read, or the problem that remains."""

    documents: tuple[Value, ...]
    lines: tuple[str, ...]
    """The text with all repairs."""
    problems: tuple[Problem, ...]

    def final(self, problem: Problem) -> Problem:
        """Returns the problem with its lines as all repairs leave them."""
        return replace(problem, fixes=tuple(Fix(one.line, self.lines[one.line]) for one in problem.fixes))

    def original(self, problem: Problem, lines: Sequence[str]) -> Problem:
        """Returns the problem with its place in the user's own line, which a repair may have changed."""
        span = problem.span
        if span.line >= len(lines) or lines[span.line] == self.lines[span.line]:
            return problem
        begin = _column(lines[span.line], self.lines[span.line], span.column)
        end = _column(lines[span.line], self.lines[span.line], span.end_column)
        return replace(problem, span=Span(span.line, begin, max(end, begin + 1)))


@dataclass(frozen=True, slots=True)
class _Failure:
    line: int
    column: int
    reason: str
    first_line: int
    """The beginning of what could not be read, which may lie above."""
    is_final: bool = False
    """True if the failure is about the whole text, so that no edit of a line helps."""

    def progress(self, first: int = 0) -> _Progress:
        return self.line + first, self.first_line + first


def _column(original: str, repaired: str, column: int) -> int:
    """Returns the column of the original line that corresponds to a column of the repaired one."""
    at = 0
    for a, b, size in SequenceMatcher(None, original, repaired, autojunk=False).get_matching_blocks():
        if column < b + size or not size:
            return a + max(column - b, 0) if size else min(at, len(original))
        at = a + size
    return at


def repair(file: str, source: str, *, tab_width: int = 2) -> Repaired:
    """Returns the documents of a text, repaired if necessary, and the problems of the repaired lines."""
    lines = source.splitlines()
    documents, failure = _try(lines)
    problems = _expand_tabs(file, lines, tab_width) if failure is not None else []
    if problems:
        documents, failure = _try(lines)
    for _ in range(_MOST_REPAIRS):
        if failure is None or failure.is_final:
            break
        best = _best_edit(lines, failure)
        if best is None:
            break
        edit, documents, failure = best
        problems.append(_apply(file, lines, edit))
    if failure is not None:
        problems.append(_unreadable(file, lines, failure))
    return Repaired(tuple(documents), tuple(lines), tuple(problems))


def separate(file: str, repaired: Repaired, rows: Sequence[int]) -> Repaired:
    """Returns the text with key and value of each row separated, if they are not: `name:web`, `-name: web`,
    `name web`."""
    lines, problems = list(repaired.lines), list(repaired.problems)
    for row in rows:
        edit = next((edit for rule in _SEPARATORS for edit in rule(lines, row)), None)
        if edit is not None:
            problems.append(_apply(file, lines, edit))
    documents, failure = _try(lines)
    if failure is not None:  # the lines are wrong, and in another way too
        return replace(repaired, problems=tuple(replace(one, fixes=()) for one in problems))
    return Repaired(tuple(documents), tuple(lines), tuple(problems))


def has_tabs(source: str) -> bool:
    """Returns whether a line is indented by tabs, which YAML forbids."""
    return any("\t" in line[: len(line) - len(line.lstrip())] and line.strip() for line in source.splitlines())


def outside_block_scalars(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yields the lines, with their numbers, that are not the text of a block scalar (`|`, `>`)."""
    block: int | None = None  # the indentation of the key whose block scalar goes on
    for at, line in enumerate(lines):
        spaces = len(line) - len(line.lstrip(" "))
        if block is not None and (spaces > block or not line.strip()):
            continue
        block = spaces if _BLOCK_SCALAR.search(line) else None
        yield at, line


def _expand_tabs(file: str, lines: list[str], width: int) -> list[Problem]:
    problems = []
    for at, line in list(outside_block_scalars(lines)):  # tabs in a block scalar are text
        blank = line[: len(line) - len(line.lstrip())]
        if "\t" in blank and line.strip():
            lines[at] = blank.expandtabs(width) + line.lstrip()
            message = text("a tab indents the line; YAML allows spaces only")
            place = Span(at, blank.index("\t"), blank.index("\t") + 1)
            problems.append(Problem("tab", "error", file, place, message, (Fix(at, lines[at]),)))
    return problems


def _apply(file: str, lines: list[str], edit: Edit) -> Problem:
    for at, line in edit.lines:
        lines[at] = line
    fixes = tuple(Fix(at, line) for at, line in edit.lines)
    return Problem(edit.rule, "error", file, edit.span, edit.message, fixes)


def _try(lines: Sequence[str]) -> tuple[list[Value], _Failure | None]:
    import yaml

    try:
        return read("\n".join(lines) + "\n"), None
    except yaml.MarkedYAMLError as e:
        mark: Any = e.problem_mark or e.context_mark
        first = e.context_mark.line if e.context_mark is not None else mark.line
        return [], _Failure(mark.line, mark.column, e.problem or str(e), min(first, mark.line))
    except yaml.YAMLError as e:  # a character that YAML forbids: the error has an offset only
        return [], _Failure(0, 0, " ".join(str(e).split()), 0, is_final=True)
    except RecursionError:
        return [], _Failure(0, 0, "nested too deeply", 0, is_final=True)
    except ValueError as e:
        return [], _Failure(0, 0, str(e), 0, is_final=True)


def _best_edit(lines: list[str], failure: _Failure) -> tuple[Edit, list[Value], _Failure | None] | None:
    """Returns the edit with which the parser gets furthest; of several, the likeliest mistake."""
    first, last = _document_at(lines, failure.line)
    best: tuple[_Progress, Edit] | None = None
    for edit in _candidates(lines, failure):
        if edit.rule == "missing-space" and _GLUED_DASH.fullmatch(lines[edit.span.line]):
            best = _WHOLE, edit
            break
        changed = list(lines[first:last])
        for row, line in edit.lines:
            if first <= row < last:
                changed[row - first] = line
        _, rest = _try(changed)
        progress = _WHOLE if rest is None else rest.progress(first)
        if progress > failure.progress() and (best is None or progress > best[0]):
            best = progress, edit
        if rest is None:
            break
    if best is None:
        return None
    changed = list(lines)
    for row, line in best[1].lines:
        changed[row] = line
    return best[1], *_try(changed)


def _document_at(lines: Sequence[str], at: int) -> tuple[int, int]:
    """Returns the lines of the document around a line: a long file need not be read for each edit."""
    first = next((row for row in range(min(at, len(lines) - 1), 0, -1) if lines[row].startswith("---")), 0)
    last = next((row for row in range(max(at, first) + 1, len(lines)) if lines[row].startswith("---")), len(lines))
    return first, last


def _candidates(lines: Sequence[str], failure: _Failure) -> list[Edit]:
    """Returns the edits of all suspects, likely mistakes first; a stable sort keeps near lines before others."""
    found = [edit for at in _suspects(lines, failure) for edit in edits(lines, at)]
    return sorted(found, key=lambda edit: edit.rule == "indentation")


def _suspects(lines: Sequence[str], failure: _Failure) -> list[int]:
    """Returns the lines that may have the mistake, the likeliest first: that of the failure, those above, and the
    beginning of what could not be read."""
    last = min(failure.line, len(lines) - 1)
    above = [at for at in range(last, -1, -1) if lines[at].strip()][: _LINES_ABOVE + 1]
    below = [at for at in (failure.first_line, last + 1) if at < len(lines) and at not in above]
    return above + below


def _unreadable(file: str, lines: Sequence[str], failure: _Failure) -> Problem:
    at = max(0, min(failure.line, len(lines) - 1))
    column = min(failure.column, len(lines[at]) if lines else 0)
    message = text("this is not YAML: {reason}", reason=failure.reason)
    return Problem("yaml", "error", file, Span(at, column, column + 1), message)
