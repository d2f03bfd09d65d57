"""Handles pods that fit nowhere: looks for evictions that make room, and says why the pod waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairlead.api.core.pod.status import PodCondition
from fairlead.api.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from fairlead.base.dataclass import dataclass
from fairlead.runtime.events import Recorder
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.explain import with_preemption
from fairlead.scheduler.following import Follower
from fairlead.scheduler.names import NAME, PREEMPTED
from fairlead.scheduler.plan import Unschedulable
from fairlead.scheduler.writing import PodWriter

if TYPE_CHECKING:
    from fairlead.api.policy.poddisruptionbudget.kind import PodDisruptionBudget
    from fairlead.scheduler.preemption.plan import Preemption

_KEPT = 100
"""Number of messages about pods that wait no longer, above which these are dropped."""
_TARGET = PodCondition(
    type="DisruptionTarget",
    status="True",
    reason=PREEMPTED,
    message=f"{NAME}: preempting to accommodate a higher priority pod",
)


@dataclass(frozen=True, slots=True)
class _Known:
    """A result that holds for all equal pods as long as the snapshot stays the same."""

    generation: int
    plugins: frozenset[str]
    message: str


class Unplaced:
    """The results of failed tries, and what follows from them."""

    def __init__(self, follower: Follower, writer: PodWriter, *, recorder: Recorder, rng: random.Random) -> None:
        self._follower = follower
        self._snapshot = follower.snapshot
        self._writer = writer
        self._recorder = recorder
        self._rng = rng
        self._messages: dict[str, str] = {}
        """The message last recorded as an Event, by pod."""
        self._known: dict[bytes, _Known] = {}
        """Results for the latest snapshot, by the signature of the pods."""

    def repeat(self, info: PodInfo, signature: bytes) -> str | None:
        """Parks a pod like one that has just failed and returns the message; returns None for any other pod."""
        known = self._known.get(signature)
        if known is None or info.key in self._snapshot.nominated:
            return None
        if known.generation != self._snapshot.generation:
            self._known.clear()
            return None
        self._follower.park(info.key, known.plugins)
        return known.message

    def placed(self, info: PodInfo, node: str) -> None:
        """Records that the pod has a node, and drops what was recorded about it before."""
        self._messages.pop(info.key, None)
        self._recorder.event(info.pod, "Normal", "Scheduled", f"Successfully assigned {info.key} to {node}")

    async def handle(self, info: PodInfo, result: Unschedulable, signature: bytes) -> None:
        """Evicts pods if that makes room, and writes the reasons. Raises StatusError or ConnectionError."""
        from fairlead.scheduler.preemption.plan import Preemption, preempt

        budgets = await self._budgets(info, result)
        outcome = preempt(info, self._snapshot, result, budgets, start=self._rng.randrange(1 << 16))
        self._follower.metrics.preempted(len(outcome.victims) if isinstance(outcome, Preemption) else 0)
        if isinstance(outcome, Preemption):
            await self._make_room(info, result.message, outcome)
            return
        message = with_preemption(result.message, outcome.message)
        if not outcome.keep:
            self._snapshot.withdraw(info.key)
            self._known[signature] = _Known(self._snapshot.generation, result.plugins, message)
        await self.explain(info, message, nominated=None if outcome.keep else "")

    async def explain(self, info: PodInfo, message: str, *, nominated: str | None = None) -> None:
        """Writes the reasons into the pod, and an Event if they changed."""
        if self._messages.get(info.key) != message:
            self._messages[info.key] = message
            if len(self._messages) > 2 * len(self._follower.queue) + _KEPT:
                self._messages = {key: text for key, text in self._messages.items() if key in self._follower.queue}
            self._recorder.event(info.pod, "Warning", "FailedScheduling", message)
        await self._writer.explain(info.pod, message, nominated=nominated)

    async def _budgets(self, info: PodInfo, result: Unschedulable) -> Sequence[PodDisruptionBudget]:
        """Returns the disruption budgets, which are watched from the first need on."""
        nodes = [self._snapshot.nodes[name] for name, r in result.rejections.items() if r.resolvable]
        if not any(pod.priority < info.priority for node in nodes for pod in node.pods.values()):
            return ()
        await self._follower.watch([POD_DISRUPTION_BUDGET])
        return list(self._snapshot.objects(POD_DISRUPTION_BUDGET).values())

    async def _make_room(self, info: PodInfo, message: str, chosen: Preemption) -> None:
        self._snapshot.nominate(info, chosen.node)
        await self.explain(info, message, nominated=chosen.node)
        for placed in list(self._snapshot.nominated.values()):
            if placed.node == chosen.node and placed.info.priority < info.priority:
                self._snapshot.withdraw(placed.info.key)
                await self._writer.withdraw_nomination(placed.info.pod)
        victims = [v for v in chosen.victims if not v.pod.metadata.deletionTimestamp]
        results = await asyncio.gather(*(self._evict(v, info, chosen.node) for v in victims), return_exceptions=True)
        failures = [r for r in results if isinstance(r, BaseException)]
        if failures:
            raise failures[0]
        if not victims:
            self._follower.wake(info.key)

    async def _evict(self, victim: PodInfo, info: PodInfo, node: str) -> None:
        if await self._writer.evict(victim.pod, _TARGET):
            text = f"Preempted by pod {info.pod.metadata.uid} on node {node}"
            self._recorder.event(victim.pod, "Normal", "Preempted", text)
