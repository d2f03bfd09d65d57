"""Ends one container: preStop hook, stop signal, and, when its time is over, SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass

from fairlead.api.container import Container
from fairlead.node.commands import run_command
from fairlead.node.probe_result import SUCCESS, ProbeResult
from fairlead.node.probing import RunCommand, run_hook
from fairlead.node.shared import Shared
from fairlead.node.zygoteclient import ZygoteError

SETTLE_S = 0.25
"""Between a pod's deletion and the stop signal: the proxies take its address out in that time, so no connection meets
a closed port. (Upstream leaves this to preStop hooks that sleep.)"""
_FORCED_S = 2.0


@dataclass(frozen=True, slots=True)
class Victim:
    container: Container
    id: str
    ip: str
    stop_signal: str
    """The image's; the manifest's wins."""
    gone: asyncio.Event
    """Set when the container has ended."""


async def stop(shared: Shared, victim: Victim, *, grace_s: float, settle: bool) -> ProbeResult:
    """Returns when the container has ended, with the result of its preStop hook."""
    loop = asyncio.get_running_loop()
    until = loop.time() + grace_s
    result = SUCCESS
    if grace_s > 0:
        hook = victim.container.lifecycle.preStop if victim.container.lifecycle else None
        if hook is not None:
            result = await run_hook(hook, victim.container, victim.ip, _runner(shared, victim), grace_s)
        elif settle:
            await _wait(victim, min(SETTLE_S, grace_s / 2))
        await _send(shared, victim, signal_number(victim))
        # A hook that took all the time leaves two seconds, as upstream.
        await _wait(victim, max(until - loop.time(), _FORCED_S if hook else 0.0))
    if not victim.gone.is_set():
        await _send(shared, victim, signal.SIGKILL)
        await victim.gone.wait()
    return result


def signal_number(victim: Victim) -> int:
    wanted = victim.container.lifecycle.stopSignal if victim.container.lifecycle else None
    name = wanted or victim.stop_signal or "SIGTERM"
    try:
        return int(signal.Signals[name])
    except KeyError:
        return signal.SIGTERM


def _runner(shared: Shared, victim: Victim) -> RunCommand:
    return lambda argv, timeout_s: run_command(shared, victim.id, argv, timeout_s)


async def _send(shared: Shared, victim: Victim, number: int) -> None:
    if not victim.gone.is_set():
        with contextlib.suppress(ZygoteError):  # it has ended in the meantime
            await shared.zygote.signal(victim.id, number)


async def _wait(victim: Victim, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await victim.gone.wait()
