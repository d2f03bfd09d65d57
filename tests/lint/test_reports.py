"""Reports for people and programs, and their languages."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

import fairlead.lint
from fairlead.base.texts import Catalogue, catalogue, language, text
from fairlead.lint.reports.machine import as_annotations, as_json, as_sarif
from fairlead.lint.reports.text import render
from tests.lint.stories import lint_text, stories

ENGLISH = catalogue("fairlead.lint", "en")
KOREAN = catalogue("fairlead.lint", "ko")
FOLDER = Path(fairlead.lint.__file__).parent

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
  - port: 80
    protocol: tcp
\ttargetPort:80
"""


def test_the_report_shows_line_caret_and_corrected_line() -> None:
    assert render(lint_text(SERVICE, "web.yaml"), ENGLISH, colours=False) == (
        "web.yaml:8:15: error: `protocol: tcp`: did you mean `TCP`? [unknown-value]\n"
        "8 |     protocol: tcp\n"
        "  |               ^^^\n"
        "8 +     protocol: TCP\n"
        "\n"
        "web.yaml:9:1: error: a tab indents the line; YAML allows spaces only [tab]\n"
        "9 | →targetPort:80\n"
        "  | ^\n"
        "web.yaml:9:12: error: a space is missing after `targetPort:` [missing-space]\n"
        "9 | →targetPort:80\n"
        "  |            ^\n"
        "9 +     targetPort: 80\n"
        "\n"
        "documents: 1, errors: 3, warnings: 0, notes: 0"
    )


def test_the_caret_stands_below_korean_letters() -> None:
    source = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {'한글': yes}\n"
    lines = render(lint_text(source), ENGLISH, colours=False).splitlines()
    assert lines[1:3] == ["4 | data: {'한글': yes}", "  |                ^^^"]


def test_colours_change_nothing_else() -> None:
    result = lint_text(SERVICE)
    coloured = render(result, ENGLISH, colours=True)
    assert "\033[31merror\033[0m" in coloured
    assert re.sub("\033\\[[0-9]*m", "", coloured) == render(result, ENGLISH, colours=False)


def test_json_counts_lines_and_columns_from_1() -> None:
    first = json.loads(as_json(lint_text(SERVICE, "web.yaml"), ENGLISH))["problems"][0]
    assert first == {
        "rule": "unknown-value",
        "severity": "error",
        "file": "web.yaml",
        "line": 8,
        "column": 15,
        "endColumn": 18,
        "message": "`protocol: tcp`: did you mean `TCP`?",
        "help": "",
        "fixes": [{"line": 8, "text": "    protocol: TCP"}],
    }


def test_sarif_names_rules_places_and_replacements() -> None:
    log = json.loads(as_sarif(lint_text(SERVICE, "web.yaml"), ENGLISH))
    run = log["runs"][0]
    assert log["version"] == "2.1.0"
    assert [one["id"] for one in run["tool"]["driver"]["rules"]] == ["missing-space", "tab", "unknown-value"]
    first = run["results"][0]
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "web.yaml"},
        "region": {"startLine": 8, "startColumn": 15, "endColumn": 18},
    }
    assert first["fixes"][0]["artifactChanges"][0]["replacements"] == [
        {
            "deletedRegion": {"startLine": 8, "startColumn": 1, "endLine": 9, "endColumn": 1},
            "insertedContent": {"text": "    protocol: TCP\n"},
        }
    ]


def test_annotations_escape_what_ends_a_workflow_command() -> None:
    result = lint_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 100%}\ndata: {b: c}\n", "a,b.yaml"
    )
    assert as_annotations(result, ENGLISH) == (
        "::error file=a%2Cb.yaml,line=5,col=1,title=duplicate-key::"
        "`data` is given twice: here and in line 4; the last one counts"
    )


def templates() -> set[str]:
    """Returns every English template that the package can show."""
    found: set[str] = set()
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "text":
                first = node.args[0]
                assert isinstance(first, ast.Constant), f"{path.name}: a template must be a literal"
                found.add(str(first.value))
    return found


def test_every_message_has_a_korean_translation_with_the_same_values() -> None:
    korean = tomllib.loads((FOLDER / "ko.toml").read_text())
    assert set(korean) == templates()
    for english, translated in korean.items():
        assert sorted(set(_names(english))) == sorted(set(_names(translated))), english
        assert re.search("[가-힣]", translated), english


def _names(template: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", template)


@pytest.mark.parametrize("story", stories(), ids=lambda story: story.name)
def test_reports_in_korean_have_the_same_places(story: object) -> None:
    result = lint_text(story.text)  # type: ignore[attr-defined]
    english, korean = (_places(render(result, one, colours=False)) for one in (ENGLISH, KOREAN))
    assert english == korean


def _places(report: str) -> list[str]:
    return [line for line in report.splitlines() if re.match(r"[ ]*[0-9]* [|+] ", line)]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE", "LC_MESSAGES": "ko_KR"}, "ko"),
        ({"LANG": "ko_KR", "LC_ALL": ""}, "ko"),
        ({"LANG": "de_DE"}, "en"),
    ],
)
def test_the_language_follows_the_locale(environment: dict[str, str], expected: str) -> None:
    assert language(environment) == expected


def test_a_translation_that_needs_a_missing_value_falls_back_to_english() -> None:
    assert Catalogue("ko", {"port {port}": "{nothing}"}).render(text("port {port}", port=80)) == "port 80"


def test_values_that_are_texts_are_translated_too() -> None:
    korean = Catalogue("ko", {"{a}!": "{a}?", "yes": "네"})
    assert korean.render(text("{a}!", a=text("yes"))) == "네?"
