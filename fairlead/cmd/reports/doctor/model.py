"""Findings about the host. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fairlead.base.dataclass import dataclass

Level = Literal["ok", "warning", "problem"]
_SIGNS: dict[Level, str] = {"ok": "ok", "warning": "warn", "problem": "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    level: Level
    text: str
    cure: str = ""
    """A command or a setting. Every warning and problem has one."""


def ok(check: str, text: str) -> Finding:
    return Finding(check, "ok", text)


def warning(check: str, text: str, cure: str) -> Finding:
    """A cluster runs, but lacks something."""
    return Finding(check, "warning", text, cure)


def problem(check: str, text: str, cure: str) -> Finding:
    """No cluster runs."""
    return Finding(check, "problem", text, cure)


def of_explanation(check: str, text: str) -> Finding:
    """Returns a problem; the text ends with `<what is wrong>; <what to do>` or `: <what to do>`."""
    separator = ";" if ";" in text else ":"
    what, _, cure = text.partition(separator)
    return problem(check, what.strip(), cure.strip() or what.strip())


def render(findings: Sequence[Finding]) -> str:
    """Returns a line for each finding, and its cure below it."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{_SIGNS[finding.level]:4}  {finding.check:{width}}  {finding.text}")
        if finding.cure:
            lines.append(f"{'':4}  {'':{width}}  -> {finding.cure}")
    return "\n".join(lines)


def conclusion(findings: Sequence[Finding]) -> str:
    problems = sum(finding.level == "problem" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if problems:
        return f"a cluster cannot run here yet: {problems} problem{'s' if problems > 1 else ''}"
    return f"a cluster can run here{f', with {warnings} limitation' if warnings else ''}{'s' if warnings > 1 else ''}"


def exit_code(findings: Sequence[Finding]) -> int:
    """Returns 1 if there is a problem, otherwise 0."""
    return int(any(finding.level == "problem" for finding in findings))
