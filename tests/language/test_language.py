"""Banned idioms may only become fewer; how they are counted is shown on small texts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.language.count import count_all
from tests.language.idioms import OPENER, count
from tests.language.ratchet import read, risen
from tests.language.texts import texts_of


@pytest.mark.slow
def test_no_banned_idiom_is_used_more_often_than_before() -> None:
    assert list(risen(count_all(), read())) == []


SAMPLE = '''
"""What nobody needs, where `where` is code."""


class A:
    """The name."""

    x: int = 0
    """Of its own."""

    def f(self) -> str:
        """Returns a text if there is one."""
        # Somebody is told here,  # noqa: X
        # for ever.
        return """where"""  # noqa: Y
'''


def test_docstrings_and_comments_are_counted_and_code_is_not(tmp_path: Path) -> None:
    (path := tmp_path / "sample.py").write_text(SAMPLE)
    counts = count(texts_of(path))
    found = {name: n for name, n in counts.items() if n}
    del found["words"]
    assert found == {
        "docstrings": 4, OPENER: 2, "where": 1, "nobody": 2, "one's own": 1, "told": 1, "for ever": 1, "if": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("kept", "expected"), [(3, []), (2, ["bench: 'where' 2 -> 3"])])
def test_a_rise_is_named_with_its_package(kept: int, expected: list[str]) -> None:
    found = {"bench": Counter({"where": 3, "if": 9, "words": 100})}
    assert list(risen(found, {"bench": {"where": kept}})) == expected
