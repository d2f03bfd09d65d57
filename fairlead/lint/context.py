"""The file that is checked: its lines, and the problems found."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.base.dataclass import dataclass, field
from fairlead.base.texts import Text
from fairlead.lint.document import Entry, Path, Value
from fairlead.lint.problem import Fix, Problem, Severity, Span


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

    def report(
        self,
        rule: str,
        severity: Severity,
        span: Span,
        message: Text,
        *fixes: Fix,
        help: Text | None = None,
    ) -> None:
        self.problems.append(Problem(rule, severity, self.file, span, message, fixes, help))

    def replaced(self, span: Span, by: str) -> Fix:
        """Returns the line with a part replaced, and with all that was replaced in it before."""
        own = self.replacements.setdefault(span.line, {})
        own[span] = by
        line = self.lines[span.line]
        for one in sorted(own, key=lambda one: one.column, reverse=True):
            line = line[: one.column] + own[one] + line[one.end_column :]
        return Fix(span.line, line)

    def value_span(self, entry: Entry) -> Span:
        """Returns the place of a member's value; of its key if the value is not on one line."""
        return entry.value.span if entry.value.form == "scalar" and not entry.value.is_null else entry.span

    def source(self, value: Value) -> str:
        """Returns a scalar as it is written."""
        span = value.span
        return self.lines[span.line][span.column : span.end_column]
