"""Who wants to know how a container or an exec ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fairlead.node.wire import Message

Listener = Callable[[Message], object]


class Exits:
    """Hands each exit that the zygote tells to whoever asked for it before the program was started."""

    def __init__(self) -> None:
        self._listeners: dict[str, Listener] = {}

    def expect(self, id_: str, listener: Listener) -> None:
        self._listeners[id_] = listener

    def wait(self, id_: str) -> asyncio.Future[Message]:
        """The exit as a future; ask before the start, so that it cannot be missed."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.expect(id_, lambda message: None if future.done() else future.set_result(message))
        return future

    def drop(self, id_: str) -> None:
        self._listeners.pop(id_, None)

    def tell(self, message: Message) -> None:
        listener = self._listeners.pop(message["id"], None)
        if listener is not None:
            listener(message)
