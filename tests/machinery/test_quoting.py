from __future__ import annotations

import pytest

from fairlead.machinery.values.quoting import go_quote


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ("Grüße, 世界 🙂", '"Grüße, 世界 🙂"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        ("\x00\x1b\x7f", r'"\x00\x1b\x7f"'),
        ("\u00a0\u00ad\u200b\u2028\ufeff", r'"\u00a0\u00ad\u200b\u2028\ufeff"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("<&>'", '"<&>\'"'),
    ],
)
def test_a_text_is_quoted_as_go_quotes_it(text: str, quoted: str) -> None:
    assert go_quote(text) == quoted
