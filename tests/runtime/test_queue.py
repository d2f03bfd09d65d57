from __future__ import annotations

import asyncio
import random

from fairlead.base.log import SILENT
from fairlead.base.tasks import Nursery
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.fake import run_jumping
from fairlead.runtime.loop import Controller, TerminalError, run_controller
from fairlead.runtime.queue import QueueMetrics, WorkQueue


def queue() -> WorkQueue:
    return WorkQueue(rng=random.Random(1))


def test_a_key_added_often_waits_once() -> None:
    async def story() -> None:
        q = queue()
        for _ in range(3):
            q.add("a")
        assert await q.get() == "a"
        assert len(q) == 0

    run_jumping(story())


def test_a_key_added_while_worked_on_comes_back_after_done() -> None:
    async def story() -> None:
        q = queue()
        q.add("a")
        key = await q.get()
        q.add("a")
        assert len(q) == 0
        q.done(key)
        assert await q.get() == "a"

    run_jumping(story())


def test_of_several_delays_the_shortest_wins() -> None:
    async def story() -> None:
        q, loop = queue(), asyncio.get_running_loop()
        q.add_after("a", 10)
        q.add_after("a", 2)
        q.add_after("a", 5)
        await q.get()
        assert loop.time() == 2

    run_jumping(story())


def test_retries_wait_longer_each_time_until_forgotten() -> None:
    async def story() -> list[float]:
        q, loop, waits = queue(), asyncio.get_running_loop(), []
        for turn in range(6):
            before = loop.time()
            if turn == 5:
                q.forget("a")
            q.retry("a")
            q.done(await q.get())
            waits.append(loop.time() - before)
        return waits

    waits = run_jumping(story())
    assert waits[4] > 4 * waits[0]
    assert waits[5] <= 0.01


def test_the_first_wait_of_a_back_off_can_be_longer() -> None:
    async def story() -> None:
        q, loop = queue(), asyncio.get_running_loop()
        q.retry("a", base_s=4.0)
        await q.get()
        assert 2.0 <= loop.time() <= 4.0

    run_jumping(story())


def test_a_cancelled_taker_loses_no_key() -> None:
    async def story() -> None:
        q = queue()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(q.get())
            second = group.create_task(q.get())
            await asyncio.sleep(0)
            q.add("a")
            first.cancel()
            assert await second == "a"

    run_jumping(story())


def test_the_loop_survives_errors_and_retries_all_but_terminal_ones() -> None:
    async def story() -> list[str]:
        q, seen = queue(), list[str]()

        async def step(key: str) -> float | None:
            seen.append(key)
            if key == "terminal":
                raise TerminalError("no use")
            if seen.count(key) < 3:
                raise StatusError(409, "Conflict", "again") if key == "conflict" else ZeroDivisionError
            return None

        async with Nursery() as nursery:
            nursery.spawn(run_controller(Controller("test", q, step, workers=1), log=SILENT))
            for key in ("conflict", "bug", "terminal"):
                q.add(key)
            await asyncio.sleep(60)
        return seen

    seen = run_jumping(story())
    assert {key: seen.count(key) for key in seen} == {"conflict": 3, "bug": 3, "terminal": 1}


def test_queues_count_what_they_were_given() -> None:
    async def story() -> dict[str, list[float]]:
        q, metrics = queue(), QueueMetrics()
        metrics.queues = [("test", q)]
        for key in ("a", "a", "b"):
            q.add(key)
        q.retry(await q.get())
        return {family.name: [sample.value for sample in family.samples] for family in metrics.families()}

    counts = {"workqueue_depth": [1], "workqueue_adds_total": [2], "workqueue_retries_total": [1]}
    assert run_jumping(story()) == counts
