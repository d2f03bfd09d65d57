"""Hands exits of containers and execs to those who wait for them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from fairlead.node.runtime.protocol.messages import Exited

_KEPT = 1024
Listener = Callable[[Exited], object]


class Exits:
    """Listeners by id; a listener is added before the program is started."""

    def __init__(self) -> None:
        self._listeners: dict[str, Listener] = {}
        self._early: OrderedDict[str, Exited] = OrderedDict()
        """Came before their listeners: while a new agent is still finding out what runs."""

    def add_listener(self, id_: str, listener: Listener) -> None:
        exited = self._early.pop(id_, None)
        if exited is not None:
            listener(exited)
            return
        self._listeners[id_] = listener

    def wait(self, id_: str) -> asyncio.Future[Exited]:
        """Returns the exit as a future; ask before the start, so that the exit cannot be missed."""
        future: asyncio.Future[Exited] = asyncio.get_running_loop().create_future()
        self.add_listener(id_, lambda exited: None if future.done() else future.set_result(exited))
        return future

    def remove_listener(self, id_: str) -> None:
        self._listeners.pop(id_, None)

    def notify(self, exited: Exited) -> None:
        listener = self._listeners.pop(exited.id, None)
        if listener is not None:
            listener(exited)
            return
        self._early[exited.id] = exited
        if len(self._early) > _KEPT:
            self._early.popitem(last=False)
