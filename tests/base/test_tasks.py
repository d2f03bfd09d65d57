from __future__ import annotations

import asyncio

import pytest

from fairlead.base.log import SILENT
from fairlead.base.tasks import Nursery, keep_running, run_all, stop
from fairlead.runtime.fake import run_jumping


def test_leaving_a_nursery_ends_what_still_runs_in_it() -> None:
    async def story() -> None:
        async with Nursery() as nursery:
            task = nursery.spawn(asyncio.sleep(1000))
        assert task.cancelled()

    run_jumping(story())


def test_a_failure_in_a_nursery_ends_the_block() -> None:
    async def fail() -> None:
        raise ValueError

    async def story() -> None:
        async with Nursery() as nursery:
            nursery.spawn(fail())
            await asyncio.sleep(1000)

    with pytest.raises(ExceptionGroup):
        run_jumping(story())


def test_work_that_must_go_on_is_started_again_after_each_end() -> None:
    async def story() -> list[float]:
        started: list[float] = []

        async def work() -> None:
            started.append(asyncio.get_running_loop().time())
            if len(started) == 2:
                raise ValueError

        async with Nursery() as nursery:
            nursery.spawn(keep_running("work", work, log=SILENT, pause_s=5))
            await asyncio.sleep(12)
        return started

    assert run_jumping(story()) == [0, 5, 10]


def test_all_works_run_side_by_side_and_a_stopped_task_is_waited_for() -> None:
    async def story() -> float:
        await run_all(asyncio.sleep(3), asyncio.sleep(2))
        async with asyncio.TaskGroup() as group:
            await stop(group.create_task(asyncio.sleep(100)))
        return asyncio.get_running_loop().time()

    assert run_jumping(story()) == 3
