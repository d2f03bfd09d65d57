"""Ends one container: preStop hook, stop signal, and SIGKILL after its grace period."""

from __future__ import annotations

import asyncio
import signal

from fairlead.base.tasks import stop as stop_task
from fairlead.node.draining.model import Traffic
from fairlead.node.pods.containers.acceptqueue import waiting_for
from fairlead.node.pods.containers.running import RunningContainer
from fairlead.node.probes.prober import run_hook
from fairlead.node.probes.result import SUCCESS, ProbeResult

DRAIN_S = 5.0
"""The most seconds that a Pod's deletion waits for the proxies to remove its address, so that no connection meets a
closed port. (Upstream does not wait: it leaves this to preStop hooks that sleep.)"""
LINGER_S = 0.1
"""Seconds after the drain in which connections under way are accepted, and short requests answered."""
_QUEUE_EVERY_S = 0.02
"""Seconds between two looks at accept queues: servers on a busy machine accept late, and a closed port resets what they
did not accept."""
_FORCED_S = 2.0


async def stop_container(run: RunningContainer, traffic: Traffic, *, grace_s: float, drain: bool) -> ProbeResult:
    """Stops the container, waits for its end, and returns the result of its preStop hook."""
    loop = asyncio.get_running_loop()
    until = loop.time() + grace_s
    result = SUCCESS
    if grace_s > 0:
        hook = run.container.lifecycle.preStop if run.container.lifecycle else None
        if hook is not None:
            result = await run_hook(hook, run.container, run.ip, run.command, grace_s)
        if drain:
            await _drain(run, traffic, min(DRAIN_S, max(until - loop.time(), 0.0) / 2))
        await run.signal(run.stop_signal_number)
        # A hook that took all the time leaves two seconds, as upstream.
        await run.wait_ended(max(until - loop.time(), _FORCED_S if hook else 0.0))
    if not run.ended.is_set():
        await run.signal(signal.SIGKILL)
        await run.ended.wait()
    return result


async def _drain(run: RunningContainer, traffic: Traffic, within_s: float) -> None:
    """Waits until no proxy sends new connections and all of them are accepted, unless the container ends before."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    drained = asyncio.ensure_future(traffic.drained(run.pod_uid, within_s))
    ended = asyncio.ensure_future(run.ended.wait())
    try:
        await asyncio.wait({drained, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await stop_task(drained)
        await stop_task(ended)
    await run.wait_ended(min(LINGER_S, within_s))
    while not run.ended.is_set() and loop.time() < until and await asyncio.to_thread(waiting_for, run.pid) > 0:
        await run.wait_ended(_QUEUE_EVERY_S)
