"""Properties: valid YAML is read as the server reads it, and no text stops the check."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from fairlead.lint.document import read
from fairlead.lint.repair import repair
from fairlead.machinery.values.yamltree import load_yaml
from tests.lint.stories import Story, lint_text, stories

scalars = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text("ab:#-'\"{}[]!&*yno \n0", max_size=8)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner),
    max_leaves=12,
)


@given(trees, st.booleans())
def test_documents_are_read_as_the_server_reads_them(tree: Any, flow: bool) -> None:
    text = yaml.safe_dump(tree, default_flow_style=flow)
    expected = load_yaml(text)
    assert [one.tree() for one in read(text)] == ([] if expected is None else [expected])
    assert repair("f", text).problems == ()


@given(st.sampled_from(stories()), st.data())
def test_a_manifest_with_a_random_change_gets_an_answer_with_places_inside_the_file(
    story: Story, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(story.text) - 1))
    length = data.draw(st.integers(0, 3))
    put = data.draw(st.text("\t:-'\"{}[]!&* \n0a", max_size=3))
    text = story.text[:at] + put + story.text[at + length :]
    lines = text.splitlines()
    for problem in lint_text(text).problems:
        assert 0 <= problem.span.line <= len(lines)
        assert problem.span.column < problem.span.end_column


@given(st.text("ab:#-'\"{}[]!&*yno \n\t0|>%@`,?", max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    lint_text(text)
