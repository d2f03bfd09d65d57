from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.machinery.values import quantity


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.1Ki", "102400m"),
        ("0Gi", "0"),
        ("1500", "1500"),
        ("100k", "100k"),
        ("1000k", "1M"),
        ("1e3", "1e3"),
        ("+1.0", "1"),
        ("-5m", "-5m"),
        (".5", "500m"),
        ("12E", "9223372036854775807"),
        ("1000Ki", "1000Ki"),
        ("0.1n", "1n"),
    ],
)
def test_a_quantity_is_rendered_in_upstreams_canonical_form(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize("text", ["", "a", "1.2.3", ".", "1 Gi", "Gi"])
def test_what_is_no_number_is_refused_with_the_expression(text: str) -> None:
    assert quantity.texts(text) == [quantity.FORMAT_TEXT]


@pytest.mark.parametrize("text", ["1mm", "1e", "1e99999999", "1iK"])
def test_an_unknown_suffix_is_refused_as_such(text: str) -> None:
    assert quantity.texts(text) == [quantity.SUFFIX_TEXT]


def test_parts_are_rounded_up_to_whole_units() -> None:
    assert quantity.milli("123456789n") == 124
    assert quantity.whole("100m") == 1
    assert quantity.parse_quantity("0.1") == Fraction(1, 10)


@settings(max_examples=60)
@given(st.integers(-(10**12), 10**12), st.sampled_from(["", "m", "k", "Ki", "Mi", "e2"]))
def test_canonical_text_means_the_same_and_is_stable(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    once = quantity.canonical(text)
    assert quantity.parse_quantity(once) == quantity.parse_quantity(text)
    assert quantity.canonical(once) == once
