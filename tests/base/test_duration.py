"""Durations in Go's form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.base.duration import parse_duration, render_duration


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (250_000_000, "250ms"),
        (1_000_000_000, "1s"),
        (15_204_000_000, "15.204s"),
        (60_000_000_000, "1m0s"),
        (3_723_500_000_000, "1h2m3.5s"),
        (-1_000_000_000, "-1s"),
    ],
)
def test_a_duration_is_rendered_as_go_does(nanoseconds: int, text: str) -> None:
    assert render_duration(nanoseconds) == text


@given(st.integers(-(1 << 50), 1 << 50))
def test_a_rendered_duration_reads_back_the_same(nanoseconds: int) -> None:
    assert abs(parse_duration(render_duration(nanoseconds)) - nanoseconds) <= 1


@pytest.mark.parametrize("text", ["", "1", "s", "1x", "1s2", "--1s"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)
