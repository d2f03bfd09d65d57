"""The work queue of keys, never of events. A key waits once, however often it is added. One worker at a time works on a
key; if the key is added meanwhile, it waits again afterwards."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterator

from fairlead.base.metrics import Family, Sample
from fairlead.runtime.backoff import Backoff

QUICKLY_S = 0.01
"""The first wait of a back-off."""
_CAP_S = 30.0


class WorkQueue:
    """`add`, `add_after` and `retry` put keys in; a worker calls `key = await get()`, works, then calls `done(key)`."""

    def __init__(self, *, rng: random.Random) -> None:
        self._rng = rng
        self.adds = 0
        """Number of keys that were put in line."""
        self.retries = 0
        self._ready: deque[str] = deque()
        self._dirty: set[str] = set()
        self._busy: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: str) -> None:
        """Adds the key, unless it waits already. If a worker has it, it is queued again after `done`."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        self.adds += 1
        if key not in self._busy:
            self._push(key)

    def add_after(self, key: str, delay_s: float) -> None:
        """Adds the key later; the shortest of several delays wins."""
        if delay_s <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + delay_s
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= at:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(at, self._due, key)

    def retry(self, key: str, *, base_s: float = QUICKLY_S) -> None:
        """Adds the key after its back-off, which grows with each call until `forget`. `base_s`: the first wait."""
        self.retries += 1
        backoff = self._backoffs.get(key)
        if backoff is None:
            backoff = self._backoffs[key] = Backoff(base_s=base_s, cap_s=_CAP_S, rng=self._rng)
        self.add_after(key, backoff.next())

    def forget(self, key: str) -> None:
        """Resets the back-off of the key."""
        self._backoffs.pop(key, None)

    async def get(self) -> str:
        """Waits for a key and returns it; the caller must call `done` afterwards."""
        while not self._ready:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()
                raise
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: str) -> None:
        """Ends the work on a key; queues it again if it was added meanwhile."""
        self._busy.discard(key)
        if key in self._dirty:
            self._push(key)

    def _due(self, key: str) -> None:
        del self._timers[key]
        self.add(key)

    def _push(self, key: str) -> None:
        self._ready.append(key)
        self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


class QueueMetrics:
    """The queues of a process by the names of their controllers, as metrics under upstream's names."""

    def __init__(self) -> None:
        self.queues: list[tuple[str, WorkQueue]] = []

    def families(self) -> Iterator[Family]:
        labelled = [((("name", name),), queue) for name, queue in sorted(self.queues, key=lambda entry: entry[0])]
        text = "Keys that wait for a worker."
        yield Family("workqueue_depth", "gauge", text, [Sample(len(q), labels) for labels, q in labelled])
        text = "Keys that were put in line, each once until a worker takes the key."
        yield Family("workqueue_adds_total", "counter", text, [Sample(q.adds, labels) for labels, q in labelled])
        text = "Keys that were put aside after an error."
        yield Family("workqueue_retries_total", "counter", text, [Sample(q.retries, labels) for labels, q in labelled])
