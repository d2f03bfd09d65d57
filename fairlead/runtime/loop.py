"""The reconcile loop: gets a key, reads the caches, decides, applies; backs off after an error.

No other code of the controllers has `except Exception`: a bug in one key's planning must not stop the other keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fairlead.base.dataclass import dataclass
from fairlead.base.log import Log
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.apply import Applier
from fairlead.runtime.plan import Plan
from fairlead.runtime.queue import QUICKLY_S, WorkQueue

Reconcile = Callable[[str], Plan | None]
"""Reads the caches for a key and decides; returns None if the object is not there."""
Sync = Callable[[str], Awaitable[float | None]]
"""Works on a key; returns the seconds until the key is due again, or None."""


class TerminalError(Exception):
    """A permanent error: reconciling the same state would fail again, so the key is not retried."""


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller as `run_controller` runs it: a queue that informers' handlers fill, and the function that works on a
    key."""

    name: str
    queue: WorkQueue
    sync: Sync
    workers: int = 4
    refused_wait_s: float = QUICKLY_S
    """The first wait after a refused request; it grows with each further refusal. Conflicts do not wait so long."""


def planned(reconcile: Reconcile, applier: Applier) -> Sync:
    """Returns the step of a controller that decides from caches alone."""

    async def sync(key: str) -> float | None:
        plan = reconcile(key)
        if plan is None:
            return None
        if plan:
            await applier.apply(plan)
        return plan.retry_after

    return sync


async def run_controller(controller: Controller, *, log: Log) -> None:
    """Runs until cancelled. Start the controller after the informers are synced."""
    async with asyncio.TaskGroup() as group:
        for _ in range(controller.workers):
            group.create_task(_work(controller, log.named(controller.name)))


async def _work(controller: Controller, log: Log) -> None:
    queue = controller.queue
    while True:
        key = await queue.get()
        try:
            again = await controller.sync(key)
        except TerminalError as error:
            log.error("reconcile failed permanently", key=key, error=error)
            queue.forget(key)
        except ConnectionError:
            queue.retry(key)
        except StatusError as error:
            if error.code in (404, 409):
                queue.retry(key)
            else:
                log.warn("request refused", key=key, error=error)
                queue.retry(key, base_s=controller.refused_wait_s)
        except Exception as error:  # noqa: BLE001 -- the one reconcile loop: see above
            log.error("reconcile failed", key=key, error=repr(error))
            queue.retry(key)
        else:
            queue.forget(key)
            if again is not None:
                queue.add_after(key, again)
        finally:
            queue.done(key)
