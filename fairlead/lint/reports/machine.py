"""Reports for programs: JSON, SARIF 2.1.0 (OASIS), and workflow commands of GitHub Actions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fairlead import __version__
from fairlead.base.texts import Catalogue
from fairlead.lint.lint import Result
from fairlead.lint.problem import Problem

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_json(result: Result, catalogue: Catalogue) -> str:
    """Returns one object with `documents` and `problems`; lines and columns count from 1."""
    tree = {"documents": result.documents, "problems": [_tree(one, catalogue) for one in result.problems]}
    return json.dumps(tree, indent=2, ensure_ascii=False)


def _tree(problem: Problem, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "rule": problem.rule,
        "severity": problem.severity,
        "file": problem.file,
        "line": problem.span.line + 1,
        "column": problem.span.column + 1,
        "endColumn": problem.span.end_column + 1,
        "message": catalogue.render(problem.message),
        "help": catalogue.render(problem.help) if problem.help is not None else "",
        "fixes": [{"line": one.line + 1, "text": one.text} for one in problem.fixes],
    }


def as_sarif(result: Result, catalogue: Catalogue) -> str:
    """Returns a SARIF log with one run, as code scanning of GitHub and GitLab read it."""
    rules = sorted({one.rule for one in result.problems})
    driver = {"name": "fairlead lint", "version": __version__, "rules": [{"id": one} for one in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, catalogue) for one in result.problems],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _result(problem: Problem, catalogue: Catalogue) -> dict[str, Any]:
    region = {
        "startLine": problem.span.line + 1,
        "startColumn": problem.span.column + 1,
        "endColumn": max(problem.span.end_column, problem.span.column + 1) + 1,
    }
    place = {"physicalLocation": {"artifactLocation": {"uri": problem.file}, "region": region}}
    result: dict[str, Any] = {
        "ruleId": problem.rule,
        "level": problem.severity,
        "message": {"text": catalogue.render(problem.message)},
        "locations": [place],
    }
    if problem.fixes:
        result["fixes"] = [_sarif_fix(problem)]
    return result


def _sarif_fix(problem: Problem) -> dict[str, Any]:
    replacements = [
        {
            "deletedRegion": {"startLine": one.line + 1, "startColumn": 1, "endLine": one.line + 2, "endColumn": 1},
            "insertedContent": {"text": one.text + "\n"},
        }
        for one in problem.fixes
    ]
    return {"artifactChanges": [{"artifactLocation": {"uri": problem.file}, "replacements": replacements}]}


def as_annotations(result: Result, catalogue: Catalogue) -> str:
    """Returns a workflow command for each problem, which GitHub shows beside the line."""
    return "\n".join(_annotation(one, catalogue) for one in result.problems)


def _annotation(problem: Problem, catalogue: Catalogue) -> str:
    level = {"error": "error", "warning": "warning", "note": "notice"}[problem.severity]
    place = (
        f"file={_property(problem.file)},line={problem.span.line + 1},col={problem.span.column + 1},"
        f"title={_property(problem.rule)}"
    )
    shown = catalogue.render(problem.message)
    for fix in problem.fixes[:1]:
        shown += f"\n{fix.text.rstrip()}"
    return f"::{level} {place}::{_data(shown)}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


FORMATS: dict[str, Callable[[Result, Catalogue], str]] = {
    "json": as_json,
    "sarif": as_sarif,
    "github": as_annotations,
}
"""The report of each output format but `text`."""
