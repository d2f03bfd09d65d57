from __future__ import annotations

import pytest

from fairlead.apiserver.model import json_response


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('unknown field "a"', '299 - "unknown field \\"a\\""'),
        ("a\0b\r\nc\x7fd\ud800", '299 - "a b  c d "'),
        ("a\\b", '299 - "a\\\\b"'),
        ("é", '299 - "é"'),
    ],
)
def test_a_warning_carries_nothing_that_a_header_may_not(text: str, wanted: str) -> None:
    assert json_response(b"{}", warnings=[text]).headers["warning"] == wanted


def test_the_warnings_of_an_answer_have_a_bound() -> None:
    few = json_response(b"{}", warnings=["x" * 1000] * 4).headers["warning"]
    many = json_response(b"{}", warnings=["\\" * 5000] * 1000).headers["warning"]
    assert len(few) > 4000
    assert len(many) < 4400
    assert json_response(b"{}", warnings=["y" * 9000]).headers["warning"] == '299 - "' + "y" * 256 + '"'
