"""Accepts connections without asyncio's servers, which know no limit.

What must stay true: a listening socket without a descriptor for the next connection costs nothing until one is free.
An asyncio server then writes a traceback for each place in the backlog, and starts as many timers that repeat it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

ACCEPTS_A_TURN = 8
"""Few, so that a connection gets many turns of the event loop before as many new ones as there may be push it out."""
_PAUSE_S = 0.02
"""Without descriptors, until that of a connection just closed is free."""


class Acceptor:
    """Passes on each connection of one listening socket, which it owns, from `start` until `close`."""

    def __init__(
        self,
        listener: socket.socket,
        accepted: Callable[[socket.socket], object],
        *,
        exhausted: Callable[[], object],
    ) -> None:
        """Calls `exhausted`, which may close a connection, if there is no descriptor for the next one."""
        self._listener = listener
        self._accepted = accepted
        self._exhausted = exhausted
        self._loop = asyncio.get_running_loop()
        self._closed = False
        listener.setblocking(False)

    def start(self) -> None:
        """Accepts from now on."""
        if not self._closed:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Accepts no more, and closes the listening socket."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()

    def _accept(self) -> None:
        for turn in range(ACCEPTS_A_TURN):
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError:  # no descriptors, or no memory
                if not turn:  # later in a turn perhaps none waits: the kernel looks for a descriptor first
                    self._exhausted()
                    self._loop.remove_reader(self._listener.fileno())
                    self._loop.call_later(_PAUSE_S, self.start)
                return
            sock.setblocking(False)
            self._accepted(sock)
