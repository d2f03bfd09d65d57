"""How streams are paced."""

from __future__ import annotations

import asyncio

from fairlead.apiserver.streaming import Pace, rest_s


def test_few_streams_rest_no_longer_than_one() -> None:
    assert rest_s(1) == rest_s(5) == 0.002


def test_many_streams_together_write_no_oftener_than_a_few() -> None:
    assert all(count / rest_s(count) <= 2500.001 for count in range(1, 51))


def test_no_stream_rests_longer_than_a_fiftieth_of_a_second() -> None:
    assert max(map(rest_s, range(10_000))) == 0.02


def test_a_stream_that_was_cancelled_while_it_rested_is_not_counted_any_more() -> None:
    async def story() -> None:
        pace, loop = Pace(), asyncio.get_running_loop()
        tasks = [asyncio.ensure_future(pace.rest()) for _ in range(1000)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        slept: list[float] = []
        loop.call_later(0.001, slept.append, 0.001)
        loop.call_later(0.02, slept.append, 0.02)
        await pace.rest()
        assert slept == [0.001]

    asyncio.run(story())
