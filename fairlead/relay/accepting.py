"""Accepts connections of one listener and hands each to a task."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from fairlead.base.log import Log
from fairlead.base.tasks import Nursery

_AT_ONCE = 64
_PAUSE_S = 0.1
"""Pause after a failure, such as a lack of descriptors."""

Carry = Callable[[socket.socket, str], Coroutine[Any, Any, None]]
"""Owns the connection, which is non-blocking; the text is the sender's address."""


class Acceptor:
    def __init__(self, listener: socket.socket, carry: Carry, *, nursery: Nursery, log: Log) -> None:
        self._listener = listener
        self._carry = carry
        self._nursery = nursery
        self._log = log
        self._failed = asyncio.Event()

    async def run(self) -> None:
        """Runs until cancelled, and closes the listener then."""
        loop = asyncio.get_running_loop()
        with self._listener:
            while True:
                loop.add_reader(self._listener.fileno(), self._accept)
                try:
                    await self._failed.wait()
                finally:
                    loop.remove_reader(self._listener.fileno())
                self._failed.clear()
                await asyncio.sleep(_PAUSE_S)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                peer, sender = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._log.warn("cannot accept", error=error)
                self._failed.set()
                return
            peer.setblocking(False)
            self._nursery.spawn(self._carry(peer, sender[0]))
