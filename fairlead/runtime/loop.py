"""The reconcile loop, written once: take a key, look, decide, apply; back off where it fails.

This is the only code of the controllers with `except Exception`: a bug in one key's planning must not stop
the other keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fairlead.base.log import Log
from fairlead.machinery.status import StatusError
from fairlead.runtime.apply import Applier
from fairlead.runtime.plan import Plan
from fairlead.runtime.queue import WorkQueue

Look = Callable[[str], Plan | None]
"""Reads the caches for a key and decides; None where there is nothing to decide about."""
Step = Callable[[str], Awaitable[float | None]]
"""Works on a key; returns after how many seconds to look again, if at all."""


class Terminal(Exception):
    """Looking again at the same state would fail the same way: not retried."""


@dataclass(frozen=True, slots=True)
class Controller:
    """What `run_controller` runs: a queue that informers' handlers feed, and the look that decides."""

    name: str
    queue: WorkQueue
    step: Step
    workers: int = 4


def planned(look: Look, applier: Applier) -> Step:
    """The step of a controller that decides from caches alone."""

    async def step(key: str) -> float | None:
        plan = look(key)
        if plan is None:
            return None
        if plan:
            await applier.apply(plan)
        return plan.retry_after

    return step


async def run_controller(controller: Controller, *, log: Log) -> None:
    """For ever. Start it once the informers are synced."""
    async with asyncio.TaskGroup() as group:
        for _ in range(controller.workers):
            group.create_task(_work(controller, log.named(controller.name)))


async def _work(controller: Controller, log: Log) -> None:
    queue = controller.queue
    while True:
        key = await queue.get()
        try:
            again = await controller.step(key)
        except Terminal as error:
            log.error("gave up", key=key, error=error)
            queue.forget(key)
        except ConnectionError:
            queue.retry(key)
        except StatusError as error:
            if error.code not in (404, 409):
                log.warn("refused", key=key, error=error)
            queue.retry(key)
        except Exception as error:  # noqa: BLE001 -- the one reconcile loop: see above
            log.error("failed", key=key, error=repr(error))
            queue.retry(key)
        else:
            queue.forget(key)
            if again is not None:
                queue.add_after(key, again)
        finally:
            queue.done(key)
