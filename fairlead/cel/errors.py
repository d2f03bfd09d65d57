"""Errors of expressions: those of compilation, with their place in the source, and those of evaluation."""

from __future__ import annotations

from typing import NamedTuple


class EvaluationError(Exception):
    """The evaluation failed; `&&`, `||` and `?:` may make up for it."""


class CostExceededError(Exception):
    """The evaluation was stopped, because it costs more than its limit."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


class Problem(NamedTuple):
    """A problem at an offset of the source."""

    at: int
    text: str


class CompileError(ValueError):
    """The expression is wrong. The text has every problem with its place, as cel-go shows it."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(_shown(source, p) for p in sorted(problems, key=lambda p: p.at)))


class ProgramError(CompileError):
    """The types are right, but the expression cannot be prepared for evaluation."""

    def __init__(self, text: str) -> None:
        super().__init__("", [])
        self.args = (text,)


def no_overload() -> EvaluationError:
    return EvaluationError("no such overload")


def _shown(source: str, problem: Problem) -> str:
    before = source[: problem.at]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1)
    snippet = source.split("\n")[line - 1].replace("\t", " ")
    dots = "".join("．" if ord(char) > 127 else "." for char in snippet[:column])
    mark = "＾" if ord(snippet[column : column + 1] or " ") > 127 else "^"
    return f"ERROR: <input>:{line}:{column + 1}: {problem.text}\n | {snippet}\n | {dots}{mark}"
