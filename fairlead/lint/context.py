"""The file that is checked: its lines, and the problems found."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fairlead.base.dataclass import dataclass, field, replace
from fairlead.base.texts import Text, text
from fairlead.lint.document import Entry, Path, Value
from fairlead.lint.problem import Fix, Problem, Severity, Span

_VARIABLE = re.compile(r"\$\{?[A-Z_][A-Z0-9_]*\}?|\$\{\w+\}")


@dataclass(slots=True)
class Context:
    file: str
    lines: Sequence[str]
    """The text, with all repairs."""
    problems: list[Problem] = field(default_factory=list)
    reported: set[Path] = field(default_factory=set)
    """The fields of the present document with a problem: the server's answer about them is a consequence."""
    unseparated: list[int] = field(default_factory=list)
    """Lines with a key and a value that YAML reads as one word."""
    replacements: dict[int, dict[Span, str]] = field(default_factory=dict)
    """The replacements in each line."""
    _made: set[Fix] = field(default_factory=set)

    def report(
        self,
        rule: str,
        severity: Severity,
        span: Span,
        message: Text,
        *fixes: Fix,
        help: Text | None = None,
    ) -> None:
        self.problems.append(Problem(rule, severity, self.file, span, message, fixes, help or self._fill_in(span)))

    def _fill_in(self, span: Span) -> Text | None:
        """Returns the advice for a place with a variable of a shell's template."""
        if span.line >= len(self.lines) or not _VARIABLE.search(self.lines[span.line][span.column : span.end_column]):
            return None
        command = f"envsubst < {self.file} | fairlead lint -"
        return text("this is a variable of a template: fill it in first, such as by {command}", command=command)

    def replaced(self, span: Span, by: str) -> Fix:
        """Returns the line with a part replaced, and with all that was replaced in it before."""
        self.replacements.setdefault(span.line, {})[span] = by
        fix = Fix(span.line, self._with_replacements(span.line))
        self._made.add(fix)
        return fix

    def _with_replacements(self, row: int) -> str:
        own, line = self.replacements[row], self.lines[row]
        for one in sorted(own, key=lambda one: one.column, reverse=True):
            line = line[: one.column] + own[one] + line[one.end_column :]
        return line

    def settled(self) -> list[Problem]:
        """Returns the problems, each with its line as all replacements in that line leave it."""
        return [replace(one, fixes=tuple(self._last(fix) for fix in one.fixes)) for one in self.problems]

    def _last(self, fix: Fix) -> Fix:
        return Fix(fix.line, self._with_replacements(fix.line)) if fix in self._made else fix

    def value_span(self, entry: Entry) -> Span:
        """Returns the place of a member's value; of its key if the value is not on one line."""
        return entry.value.span if entry.value.form == "scalar" and not entry.value.is_null else entry.span

    def source(self, value: Value) -> str:
        """Returns a scalar as it is written."""
        span = value.span
        return self.lines[span.line][span.column : span.end_column]
