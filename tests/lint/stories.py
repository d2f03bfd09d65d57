"""Manifests with mistakes, each with the problems that `fairlead lint` must find, in comments at its end:

# problem: LINE RULE
# fixed: LINE:TEXT
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fairlead.api.kinds import built_in
from fairlead.lint.lint import Result, Source, lint

FOLDER = Path(__file__).parent / "manifests"
_PROBLEM = re.compile(r"# problem: (\d+) (\S+)")
_FIXED = re.compile(r"# fixed: (\d+):(.*)")


@dataclass(frozen=True)
class Story:
    name: str
    text: str
    problems: list[tuple[int, str]]
    fixed: dict[int, str]


def stories() -> list[Story]:
    return [_read(path) for path in sorted(FOLDER.glob("*.yaml"))]


def _read(path: Path) -> Story:
    text = path.read_text()
    problems = [(int(line), rule) for line, rule in _PROBLEM.findall(text)]
    fixed = {int(line): content for line, content in _FIXED.findall(text)}
    manifest = re.split("^# (?:problem|fixed): ", text, maxsplit=1, flags=re.MULTILINE)[0]
    return Story(path.stem, manifest, problems, fixed)


def problems_of(result: Result) -> list[tuple[int, str]]:
    return [(one.span.line + 1, one.rule) for one in result.problems]


def fixed_lines(result: Result) -> dict[int, str]:
    return {fix.line + 1: fix.text.rstrip() for one in result.problems for fix in one.fixes}


def lint_text(text: str, name: str = "file.yaml") -> Result:
    return lint([Source(name, text)], built_in())


def repaired(text: str, result: Result) -> str:
    """Returns the text with the lines as the problems correct them."""
    fixed = fixed_lines(result)
    return "\n".join(fixed.get(at, line) for at, line in enumerate(text.splitlines(), 1)) + "\n"
