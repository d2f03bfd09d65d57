"""The pace of streams."""

from __future__ import annotations

import asyncio

import pytest

from fairlead.apiserver.streaming import Pace, rest_s


def rate(changes_s: float) -> float:
    """Returns the writes a second of a single stream with so many changes a second."""
    rest = rest_s(1, 1)
    for _ in range(100):
        rest = rest_s(max(1, round(changes_s * rest)), 1)
    return min(changes_s, 1 / rest)


def test_a_stream_with_rare_changes_hardly_waits() -> None:
    assert rest_s(1, 1) == rest_s(1, 5) == 0.002
    assert rate(200) == 200


def test_a_busy_stream_is_written_to_fifty_times_a_second() -> None:
    assert rate(1000) == rate(100_000) == 50


@pytest.mark.parametrize("streams", range(5, 51))
def test_many_streams_together_are_written_to_no_oftener_than_a_few(streams: int) -> None:
    assert streams / rest_s(1, streams) <= 2500.001


def test_no_stream_rests_longer_than_a_fiftieth_of_a_second() -> None:
    assert max(rest_s(events, streams) for events in range(100) for streams in range(100)) == 0.02


def test_a_stream_that_was_cancelled_while_it_rested_is_not_counted_any_more() -> None:
    async def story() -> None:
        pace = Pace()
        tasks = [asyncio.ensure_future(pace.rest(1)) for _ in range(1000)]
        await asyncio.sleep(0)
        assert pace._resting == 1000
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert pace._resting == 0

    asyncio.run(story())
