"""Sweeps Events every few minutes. A cache of all Events would cost more than listing them now and then."""

from __future__ import annotations

from fairlead.api.event import EVENT
from fairlead.controllers.context import Context
from fairlead.controllers.eventttl.plan import reconcile
from fairlead.runtime.loop import Controller


def controller(context: Context) -> Controller:
    """The controller of Events' lifetime."""
    settings = context.settings
    queue = context.queue()

    async def step(key: str) -> float | None:
        events = (await context.client.list(EVENT)).items
        plan = reconcile(events, ttl_s=settings.event_ttl_s, now=context.clock.now())
        if plan:
            await context.applier.apply(plan)
        return settings.event_sweep_s

    queue.add_after("sweep", settings.event_sweep_s)
    return Controller("eventttl", queue, step, workers=1)
