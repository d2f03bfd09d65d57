"""A problem in a manifest, with its place and, if it is known, the corrected lines."""

from __future__ import annotations

from typing import Literal

from fairlead.base.dataclass import dataclass
from fairlead.base.texts import Text

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of one line; lines and columns count from 0, as in PyYAML's marks. The end is exclusive."""

    line: int
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Fix:
    """A line as it should be."""

    line: int
    """Counts from 0."""
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    rule: str
    """A fixed name of the kind of mistake, such as `unknown-field`."""
    severity: Severity
    """An `error` is refused by the server or cannot work; a `warning` hardly means what it says; a `note` may be
    intended."""
    file: str
    span: Span
    message: Text
    fixes: tuple[Fix, ...] = ()
    help: Text | None = None
    """Advice, if no line can be shown."""

    @property
    def order(self) -> tuple[str, int, int, str]:
        return self.file, self.span.line, self.span.column, self.rule
