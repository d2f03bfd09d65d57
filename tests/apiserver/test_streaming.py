"""The pace of streams."""

from __future__ import annotations

import asyncio

import pytest

from fairlead.apiserver.streaming import Pace, pause_s


def rate(changes_s: float) -> float:
    """Returns the writes a second of a single stream with so many changes a second."""
    rest = pause_s(1, 1)
    for _ in range(100):
        rest = pause_s(max(1, round(changes_s * rest)), 1)
    return min(changes_s, 1 / rest)


def test_a_stream_with_rare_changes_hardly_waits() -> None:
    assert pause_s(1, 1) == pause_s(1, 5) == 0.002
    assert rate(200) == 200


def test_a_busy_stream_is_written_to_fifty_times_a_second() -> None:
    assert rate(1000) == rate(100_000) == 50


@pytest.mark.parametrize("streams", range(5, 51))
def test_many_streams_together_are_written_to_no_oftener_than_a_few(streams: int) -> None:
    assert streams / pause_s(1, streams) <= 2500.001


def test_a_stream_pauses_for_at_most_a_fiftieth_of_a_second() -> None:
    assert max(pause_s(events, streams) for events in range(100) for streams in range(100)) == 0.02


def test_a_stream_cancelled_during_its_pause_is_no_longer_counted() -> None:
    async def story() -> None:
        pace = Pace()
        tasks = [asyncio.ensure_future(pace.pause(1)) for _ in range(1000)]
        await asyncio.sleep(0)
        assert pace._paused == 1000
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert pace._paused == 0

    asyncio.run(story())
