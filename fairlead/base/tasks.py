"""Tasks that always have a parent. Nothing here starts work that outlives the block it was started in.

Rejected: `asyncio.create_task` with a module-level set of references; a lost task is a lost error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any

from fairlead.base.log import Log


async def run_all(*works: Coroutine[Any, Any, Any]) -> None:
    """Runs all to their end; the first failure cancels the rest."""
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)


async def keep_running(name: str, work: Callable[[], Awaitable[Any]], *, log: Log, pause_s: float = 1.0) -> None:
    """Runs `work` until cancelled, as a top-level guard: restarts it `pause_s` after it failed or returned."""
    while True:
        try:
            await work()
            log.warn("ended", task=name)
        except Exception as error:  # noqa: BLE001 -- the guard: whatever went wrong, the component must come back
            log.error("failed", task=name, error=repr(error))
        await asyncio.sleep(pause_s)


async def stop(task: asyncio.Task[Any]) -> None:
    """Cancels the task and waits until it has ended; its own outcome is dropped."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Nursery:
    """A task group that synchronous callbacks can start work in: `async with Nursery() as n: n.spawn(work())`.

    Unlike a bare TaskGroup, leaving the block cancels what still runs.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Nursery:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in list(self._tasks):
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str | None = None) -> asyncio.Task[Any]:
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
