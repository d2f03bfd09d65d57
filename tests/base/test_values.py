"""Texts of times and ids: quick ways to them must not differ from the standard library's."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.base.ids import uuid_text
from fairlead.base.instant import Instant, parse_time, render_micro_time, render_time


@given(st.integers(0, 2**128 - 1), st.sampled_from([4, 5]))
def test_a_uuid_is_written_as_the_standard_library_writes_it(bits: int, version: int) -> None:
    assert uuid_text(bits, version=version) == str(uuid.UUID(int=bits, version=version))


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999))
def test_times_are_written_to_the_second_and_to_the_microsecond(second: int, micros: int) -> None:
    at = Instant(second + micros / 1_000_000)
    expected = datetime.fromtimestamp(second, UTC).replace(microsecond=micros)
    assert render_time(at) == expected.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert render_micro_time(at) == expected.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_almost_a_second_is_the_next_one_in_microseconds() -> None:
    assert render_micro_time(Instant(1.9999999)) == "1970-01-01T00:00:02.000000Z"


def test_years_have_four_digits() -> None:
    for text in ("0001-01-01T00:00:00Z", "0999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"):
        assert render_time(parse_time(text)) == text
        assert render_micro_time(parse_time(text)) == text[:-1] + ".000000Z"


@pytest.mark.parametrize(
    ("text", "why"),
    [("abc", "expected RFC 3339"), ("", "expected RFC 3339"), ("2026-01-02T03:04:05", "no zone")],
)
def test_an_invalid_time_is_named(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f'invalid time "{text}": .*{why}'):
        parse_time(text)
