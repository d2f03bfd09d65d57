"""The probes of one running container: when to ask, and what follows from the answers.

`Tally` is the pure part: it counts successes and failures against the thresholds. `watch_container` is the loop.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Literal, Protocol

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.probe import Probe
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant
from fairlead.node.probes.prober import RunCommand, probe_once
from fairlead.node.probes.result import ProbeResult, event_of

ProbeName = Literal["startup", "readiness", "liveness"]
Report = Callable[[ProbeName, ProbeResult], object]
"""Called with a probe's name and a result that is worth an event."""

_EAGER_S = 0.02
_QUIET_S = 1.0
"""Seconds that a program may take to listen before its failing readiness probe causes an event."""
_TITLE: dict[ProbeName, str] = {"startup": "Startup", "readiness": "Readiness", "liveness": "Liveness"}


@dataclass(slots=True)
class Tally:
    """Counts results in a row; `verdict` changes when a threshold is reached."""

    success_threshold: int
    failure_threshold: int
    verdict: bool | None = None
    _in_a_row: int = 0
    _last: bool | None = None

    def add(self, good: bool) -> bool:
        """Counts a result; returns True if it reached the threshold."""
        self._in_a_row = self._in_a_row + 1 if good is self._last else 1
        self._last = good
        needed = self.success_threshold if good else self.failure_threshold
        if self._in_a_row < max(needed, 1) or self.verdict is good:
            return False
        self.verdict = good
        return True


def tally_of(probe: Probe, *, known: bool | None = None) -> Tally:
    return Tally(probe.successThreshold or 1, probe.failureThreshold or 3, verdict=known)


def probe_event(name: ProbeName, result: ProbeResult) -> tuple[str, str]:
    """Returns the reason and the message of the event about a result."""
    return event_of(_TITLE[name], result)


class ProbedRun(Protocol):
    """The part of a container's state that its probes read and write."""

    started_at: Instant
    started: bool
    ready: bool
    unhealthy: str


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """The parts of a pod that the probes of one container need."""

    container: Container
    ip: str
    run: RunCommand
    report: Report
    count: Report
    """Called with every result."""
    changed: Callable[[], object]
    now: Callable[[], Instant]
    rng: random.Random


async def watch_container(state: ProbedRun, context: ProbeContext) -> None:
    """Keeps `started`, `ready` and `unhealthy` of this run up to date until cancelled."""
    container = context.container
    startup = container.startupProbe
    if startup and not state.started and not await _startup(state, startup, context):
        return
    async with asyncio.TaskGroup() as group:
        if container.readinessProbe:
            group.create_task(_readiness(state, container.readinessProbe, context))
        if container.livenessProbe:
            group.create_task(_liveness(state, container.livenessProbe, context))


async def _startup(state: ProbedRun, probe: Probe, context: ProbeContext) -> bool:
    tally = tally_of(probe)
    await asyncio.sleep(delay_s(state, probe, context.now()))
    while True:
        result = await probe_once(probe, context.container, context.ip, context.run)
        context.count("startup", result)
        if result.text:
            context.report("startup", result)
        if tally.add(result.good):
            break
        await asyncio.sleep(_period(probe))
    if tally.verdict:
        state.started = True
        state.ready = context.container.readinessProbe is None
    else:
        state.unhealthy = "startup probe"
    context.changed()
    return bool(tally.verdict)


async def _readiness(state: ProbedRun, probe: Probe, context: ProbeContext) -> None:
    """Probes readiness. Until the first success the period is shorter than configured: a Pod should not wait ten
    seconds for traffic because it needed fifty milliseconds to listen. The time of an answer counts too; otherwise a
    probe that hangs would be repeated eagerly, and unreported, for many times its timeout."""
    tally = tally_of(probe, known=True if state.ready else None)
    if not state.ready:
        await asyncio.sleep(delay_s(state, probe, context.now()))
    now = asyncio.get_running_loop().time
    eager, pause_s, began = not state.ready, _EAGER_S, now()
    while True:
        result = await probe_once(probe, context.container, context.ip, context.run)
        context.count("readiness", result)
        asked_s = now() - began
        if result.text and (result.good or not eager or asked_s >= _QUIET_S):
            context.report("readiness", result)
        eager = eager and not result.good and asked_s < _period(probe)
        if eager:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.6, _period(probe))
            continue
        if tally.add(result.good):
            state.ready = result.good
            context.changed()
        await asyncio.sleep(_period(probe))


async def _liveness(state: ProbedRun, probe: Probe, context: ProbeContext) -> None:
    tally = tally_of(probe)
    # Spread over the period, so that a restarted agent does not probe everything at once.
    await asyncio.sleep(delay_s(state, probe, context.now()) or context.rng.uniform(0, _period(probe)))
    while True:
        result = await probe_once(probe, context.container, context.ip, context.run)
        context.count("liveness", result)
        if result.text:
            context.report("liveness", result)
        if tally.add(result.good) and not tally.verdict:
            state.unhealthy = "liveness probe"
            context.changed()
            return
        await asyncio.sleep(_period(probe))


def delay_s(state: ProbedRun, probe: Probe, now: Instant) -> float:
    """Returns the seconds until the first probe. They count from the container's start, which neither a restart of the
    agent nor a slow startup probe moves."""
    return max(0.0, state.started_at + probe.initialDelaySeconds - now)


def _period(probe: Probe) -> float:
    return float(probe.periodSeconds or 10)
