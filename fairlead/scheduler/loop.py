"""Places pods: decides about one pod at a time and writes the bindings concurrently.

A chosen pod counts as placed at once (assumed), so the next decision sees it; a failed binding reverts that. A pod that
fits nowhere waits for a change that can help, see `queue`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.api.core.pod.kind import Pod
from fairlead.base.clock import Clock
from fairlead.base.log import SILENT, Log
from fairlead.base.tasks import Nursery
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client
from fairlead.runtime.events import Recorder
from fairlead.runtime.informer import InformerSet
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.following import Follower
from fairlead.scheduler.framework import Reservation
from fairlead.scheduler.metrics import ERROR, SCHEDULED, UNSCHEDULABLE, SchedulerMetrics
from fairlead.scheduler.names import NAME
from fairlead.scheduler.plan import Chosen, Unschedulable, choose
from fairlead.scheduler.plugins import PLUGINS
from fairlead.scheduler.queue import signature_of
from fairlead.scheduler.unplaced import Unplaced
from fairlead.scheduler.writing import PodWriter

_AT_ONCE = 64
"""Number of bindings that may be under way."""
_RESERVE_S = 600.0
"""Seconds after which a pod whose volumes are not bound is scheduled anew (upstream's `bindTimeoutSeconds`)."""


async def run(
    client: Client, *, clock: Clock, rng: random.Random, metrics: SchedulerMetrics, log: Log = SILENT
) -> None:
    """Runs until cancelled, through outages of the API server. Counts in `metrics`."""
    recorder = Recorder(client, component=NAME, clock=clock, log=log)
    informers = InformerSet(client, log=log)
    follower = Follower(informers, PLUGINS, metrics)
    async with Nursery() as nursery:
        writer = PodWriter(client, follower.pods, clock)
        unplaced = Unplaced(follower, writer, recorder=recorder, rng=rng)
        scheduler = Scheduler(follower, writer, unplaced, nursery=nursery, rng=rng, log=log)
        nursery.spawn(recorder.run())
        nursery.spawn(informers.run())
        await informers.wait_synced()
        await scheduler.run()


class Scheduler:
    """Takes pods from the follower's queue until cancelled."""

    def __init__(
        self,
        follower: Follower,
        writer: PodWriter,
        unplaced: Unplaced,
        *,
        nursery: Nursery,
        rng: random.Random,
        log: Log,
    ) -> None:
        self._follower = follower
        self._writer = writer
        self._unplaced = unplaced
        self._nursery = nursery
        self._rng = rng
        self._metrics = follower.metrics
        self._log = log
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._start = 0
        """Index of the node with which the next search begins."""

    async def run(self) -> None:
        while True:
            key, pod = await self._follower.next()
            missing = self._follower.missing_kinds(pod)
            if missing:
                self._nursery.spawn(self._after_sync(key, missing))
                continue
            self._decide(key, pod)
            # Lets the bindings, and the API server in the same process, have their turn.
            await asyncio.sleep(0)
            if self._slots.locked():
                async with self._slots:
                    pass

    async def _after_sync(self, key: str, kinds: Sequence[Any]) -> None:
        """Tries the pod once the objects of these kinds are cached."""
        await self._follower.watch(kinds)
        self._follower.requeue(key)

    def _decide(self, key: str, pod: Pod) -> None:
        begin = self._metrics.begin()
        info = self._follower.info_of(key, pod)
        snapshot = self._follower.snapshot
        signature = signature_of(pod)
        message = self._unplaced.repeat(info, signature)
        if message is not None:
            self._metrics.attempted(UNSCHEDULABLE, begin)
            self._nursery.spawn(self._guarded(key, self._unplaced.explain(info, message)))
            return
        try:
            result = choose(info, snapshot, tie=self._rng.choice, start=self._start)
            if isinstance(result, Unschedulable):
                self._nursery.spawn(self._guarded(key, self._unplaced.handle(info, result, signature)))
                self._follower.park(key, result.plugins)
                self._metrics.attempted(UNSCHEDULABLE, begin)
                return
            self._start = (self._start + result.examined) % len(snapshot.nodes)
            reservations = self._assume(info, result)
        except Exception as error:  # noqa: BLE001 -- a guard: one bad pod must not stop the others
            self._log.error("scheduling failed", key=key, error=repr(error))
            self._follower.retry(key)
            self._metrics.attempted(ERROR, begin)
            return
        self._nursery.spawn(self._bind(info, result.node, reservations, begin))

    def _assume(self, info: PodInfo, result: Chosen) -> Sequence[Reservation]:
        node = self._follower.snapshot.nodes[result.node]
        reservations = [reserve(node) for reserve in result.reserve]
        self._follower.assume(info, result.node)
        return reservations

    async def _guarded(self, key: str, work: Any) -> None:
        """Awaits a write; an error of the API leads to another try of the pod."""
        try:
            await work
        except (StatusError, ConnectionError) as error:
            if not (isinstance(error, StatusError) and error.code == 404):
                self._log.debug("status not written", key=key, error=repr(error))
                self._follower.wake(key)

    async def _bind(self, info: PodInfo, node: str, reservations: Sequence[Reservation], begin: float) -> None:
        pod = info.pod
        record = self._follower.queue.record_of(info.key)
        try:
            async with asyncio.timeout(_RESERVE_S):  # may take long, so without a slot
                for reservation in reservations:
                    await reservation.bind(self._writer.client)
            async with self._slots:
                await self._writer.bind(pod, node)
        except (StatusError, ConnectionError, TimeoutError) as error:
            for reservation in reservations:
                reservation.release()
            if isinstance(error, StatusError) and error.code not in (404, 409):
                self._log.warn("binding refused", key=info.key, error=error)
            self._follower.unassume(info.key, placed_on(pod, node))
            self._metrics.attempted(ERROR, begin)
            return
        self._metrics.attempted(SCHEDULED, begin)
        if record is not None:
            failures, since = record
            self._metrics.placed(failures + 1, asyncio.get_running_loop().time() - since)
        self._unplaced.placed(info, node)


def placed_on(pod: Pod, node: str) -> Pod:
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, nodeName=node))
