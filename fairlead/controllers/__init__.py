"""The controllers: each has a pure `reconcile` in `plan.py`, and its wiring in `loop.py`.

`run` starts them all in one task group over one set of informers. They use other components only through the HTTP API.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from fairlead.base.clock import Clock
from fairlead.base.ids import IdSource
from fairlead.controllers.context import Context, Settings
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.runtime.client import Client
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.loop import Controller, run_controller

__all__ = ["Context", "Settings", "run"]


async def run(  # noqa: PLR0913 -- wires components up
    client: Client,
    *,
    scheme: Scheme,
    clock: Clock,
    rng: random.Random,
    ids: IdSource,
    ca_pem: str,
    client_of: Callable[[str], Client] | None = None,
    settings: Settings | None = None,
    also: Sequence[Callable[[Context], Controller]] = (),
) -> None:
    """Runs until cancelled, through outages of the API server. Without settings: upstream's times and no log. `also`
    are controllers of other packages, which share the informers. `client` reads for all controllers; `client_of`
    returns the client with which the controller of a name writes, by default the same."""
    from fairlead.controllers.registry import CONTROLLERS

    settings = settings or Settings()
    log = settings.log
    informers = InformerSet(client, log=log)
    context = Context(
        client_of=client_of or (lambda _: client),
        scheme=scheme,
        informers=informers,
        clock=clock,
        rng=rng,
        ids=ids,
        ca_pem=ca_pem,
        settings=settings,
        log=log,
        started=clock.now(),
    )
    controllers = [make(context) for make in (*CONTROLLERS, *also)]
    settings.queues.queues = [(controller.name, controller.queue) for controller in controllers]
    async with asyncio.TaskGroup() as group:
        for recorder in context.recorders:
            group.create_task(recorder.run())
        group.create_task(informers.run())
        await informers.wait_synced()
        for controller in controllers:
            group.create_task(run_controller(controller, log=log))
