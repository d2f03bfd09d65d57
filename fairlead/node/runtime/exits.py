"""Who wants to know how a container or an exec ended."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from fairlead.node.runtime.wire import Message

_KEPT = 1024
Listener = Callable[[Message], object]


class Exits:
    """Hands each exit that the zygote tells to whoever asked for it before the program was started."""

    def __init__(self) -> None:
        self._listeners: dict[str, Listener] = {}
        self._early: OrderedDict[str, Message] = OrderedDict()
        """Told before anybody asked: while a new agent is still finding out what runs."""

    def expect(self, id_: str, listener: Listener) -> None:
        message = self._early.pop(id_, None)
        if message is not None:
            listener(message)
            return
        self._listeners[id_] = listener

    def wait(self, id_: str) -> asyncio.Future[Message]:
        """The exit as a future; ask before the start, so that it cannot be missed."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.expect(id_, lambda message: None if future.done() else future.set_result(message))
        return future

    def drop(self, id_: str) -> None:
        self._listeners.pop(id_, None)

    def notify(self, message: Message) -> None:
        listener = self._listeners.pop(message["id"], None)
        if listener is not None:
            listener(message)
            return
        self._early[message["id"]] = message
        if len(self._early) > _KEPT:
            self._early.popitem(last=False)
