"""Ends one container: preStop hook, stop signal, and, when its time is over, SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass

from fairlead.api.core.pod.container import Container
from fairlead.base.tasks import stop as stop_task
from fairlead.node.pods.commands import run_command
from fairlead.node.pods.dependencies import Dependencies
from fairlead.node.probes.prober import RunCommand, run_hook
from fairlead.node.probes.result import SUCCESS, ProbeResult
from fairlead.node.runtime.zygoteclient import ZygoteError

DRAIN_S = 5.0
"""How long at most a Pod's deletion waits for the proxies to take its address out, so that no connection meets a closed
port. (Upstream does not wait: it leaves this to preStop hooks that sleep.)"""
LINGER_S = 0.1
"""After that: connections that were on their way are taken, and short requests answered."""
_FORCED_S = 2.0


@dataclass(frozen=True, slots=True)
class RunningContainer:
    container: Container
    id: str
    uid: str
    """The Pod's."""
    ip: str
    stop_signal: str
    """The image's; the manifest's wins."""
    gone: asyncio.Event
    """Set when the container has ended."""


async def stop(deps: Dependencies, run: RunningContainer, *, grace_s: float, drain: bool) -> ProbeResult:
    """Returns when the container has ended, with the result of its preStop hook."""
    loop = asyncio.get_running_loop()
    until = loop.time() + grace_s
    result = SUCCESS
    if grace_s > 0:
        hook = run.container.lifecycle.preStop if run.container.lifecycle else None
        if hook is not None:
            result = await run_hook(hook, run.container, run.ip, _runner(deps, run), grace_s)
        if drain:
            await _drain(deps, run, min(DRAIN_S, max(until - loop.time(), 0.0) / 2))
        await _send(deps, run, signal_number(run))
        # A hook that took all the time leaves two seconds, as upstream.
        await _wait(run, max(until - loop.time(), _FORCED_S if hook else 0.0))
    if not run.gone.is_set():
        await _send(deps, run, signal.SIGKILL)
        await run.gone.wait()
    return result


def signal_number(run: RunningContainer) -> int:
    wanted = run.container.lifecycle.stopSignal if run.container.lifecycle else None
    name = wanted or run.stop_signal or "SIGTERM"
    try:
        return int(signal.Signals[name])
    except KeyError:
        return signal.SIGTERM


def _runner(deps: Dependencies, run: RunningContainer) -> RunCommand:
    return lambda argv, timeout_s: run_command(deps, run.id, argv, timeout_s)


async def _send(deps: Dependencies, run: RunningContainer, number: int) -> None:
    if not run.gone.is_set():
        with contextlib.suppress(ZygoteError):  # it has ended in the meantime
            await deps.zygote.signal(run.id, number)


async def _drain(deps: Dependencies, run: RunningContainer, within_s: float) -> None:
    """Waits until no proxy sends new connections, unless the container ends before."""
    drained = asyncio.ensure_future(deps.traffic.drained(run.uid, within_s))
    gone = asyncio.ensure_future(run.gone.wait())
    try:
        await asyncio.wait({drained, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await stop_task(drained)
        await stop_task(gone)
    await _wait(run, min(LINGER_S, within_s))


async def _wait(run: RunningContainer, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await run.gone.wait()
