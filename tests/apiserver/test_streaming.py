"""How streams are paced."""

from __future__ import annotations

from fairlead.apiserver.streaming import rest_s


def rate(changes_s: float) -> float:
    """Writes a second to a stream that is told of so many changes a second."""
    rest = rest_s(1)
    for _ in range(100):
        rest = rest_s(max(1, round(changes_s * rest)))
    return min(changes_s, 1 / rest)


def test_a_stream_that_is_told_of_a_change_now_and_then_hardly_waits() -> None:
    assert rest_s(1) == 0.002
    assert rate(200) == 200


def test_a_busy_stream_is_written_to_fifty_times_a_second() -> None:
    assert rate(1000) == rate(100_000) == 50


def test_no_stream_rests_longer_than_a_fiftieth_of_a_second() -> None:
    assert max(map(rest_s, range(10_000))) == 0.02
