"""Manifests with mistakes: the line, the rule and the corrected line that `fairlead lint` shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.api.kinds import built_in
from fairlead.lint.lint import Source, lint
from tests.lint.stories import Story, fixed_lines, lint_text, problems_of, repaired, stories


@pytest.fixture(params=stories(), ids=lambda story: story.name)
def story(request: pytest.FixtureRequest) -> Story:
    found: Story = request.param
    return found


def test_every_mistake_is_found_in_its_own_line_and_nothing_else(story: Story) -> None:
    assert problems_of(lint_text(story.text)) == story.problems


def test_corrected_lines_are_what_is_meant(story: Story) -> None:
    assert fixed_lines(lint_text(story.text)) == story.fixed


def test_corrected_manifests_have_only_the_problems_that_have_no_corrected_line(story: Story) -> None:
    before = lint_text(story.text)
    after = lint_text(repaired(story.text, before))
    assert set(problems_of(after)) <= {(one.span.line + 1, one.rule) for one in before.problems if not one.fixes}


def test_objects_of_several_files_are_compared() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {app: b}, ports: [{port: 1}]}\n"
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: %s}}\nspec: {containers: [{name: a, image: a}]}\n"
    )
    for label, expected in (("b", []), ("c", [("service.yaml", 4, "selector")])):
        result = lint([Source("pod.yaml", pod % label), Source("service.yaml", service)], built_in())
        assert [(one.file, one.span.line + 1, one.rule) for one in result.problems] == expected


def test_the_first_of_two_repeated_objects_is_named() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    result = lint([Source("a.yaml", text), Source("b.yaml", text)], built_in())
    assert [(one.file, one.rule, str(one.message)) for one in result.problems] == [
        (
            "b.yaml",
            "duplicate-object",
            "ConfigMap a is defined twice: here and in a.yaml:1; the second replaces the first",
        )
    ]


def test_a_bomb_of_aliases_is_refused_and_not_expanded() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    result = lint_text("\n".join(["a0: &a0 [x]", *levels]))
    assert [one.rule for one in result.problems] == ["yaml"]
    assert "200000 values" in str(result.problems[0].message)


def test_deep_nesting_is_a_problem_and_not_a_crash() -> None:
    assert [one.rule for one in lint_text("[" * 5000).problems] == ["yaml"]


def test_the_page_names_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "lint.md").read_text(encoding="utf-8")
    rules = {rule for story in stories() for _, rule in story.problems}
    assert len(rules) > 20
    assert {rule for rule in rules if f"`{rule}`" not in page} == set()
