"""Accepts connections without asyncio's servers, which lack a connection limit.

What must stay true: if no file descriptor is free for the next connection, a listening socket waits without cost. An
asyncio server would write a traceback for each connection in the backlog, and start as many timers that repeat it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

ACCEPTS_A_TURN = 8
"""Connections accepted in one turn of the event loop. A small number, so that open connections get their turns between
the accepts."""
_PAUSE_S = 0.02
"""The pause if no file descriptor is free; closing a connection frees one."""


class Acceptor:
    """Passes on each connection of one listening socket, from `start` until `close`. Owns the socket."""

    def __init__(
        self,
        listener: socket.socket,
        accepted: Callable[[socket.socket], object],
        *,
        exhausted: Callable[[], object],
    ) -> None:
        """Calls `exhausted` if no descriptor is free for the next connection; the function may close a connection."""
        self._listener = listener
        self._accepted = accepted
        self._exhausted = exhausted
        self._loop = asyncio.get_running_loop()
        self._closed = False
        listener.setblocking(False)

    def start(self) -> None:
        """Starts to accept connections."""
        if not self._closed:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Stops accepting and closes the listening socket."""
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
            except OSError:  # out of descriptors or memory
                # Later in a turn the backlog may be empty: the kernel allocates a descriptor before it looks.
                if not turn:
                    self._exhausted()
                    self._loop.remove_reader(self._listener.fileno())
                    self._loop.call_later(_PAUSE_S, self.start)
                return
            sock.setblocking(False)
            self._accepted(sock)
