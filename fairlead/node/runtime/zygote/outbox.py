"""The zygote's messages to the agent, queued while the agent does not read. Standard library only."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

from fairlead.node.runtime.protocol import wire
from fairlead.node.runtime.protocol.messages import Answer, Exited, Failed, Notice, Overflow, Result

_LIMIT = 4096


class Outbox:
    """Drops every message before an agent's Hello: no agent would read it."""

    def __init__(self, sock: socket.socket, *, want_write: Callable[[bool], object]) -> None:
        self._sock = sock
        self._want_write = want_write
        self._epoch = 0
        self._queue: deque[tuple[bytes, list[int]]] = deque()

    def begin(self, epoch: int) -> None:
        """Starts with a new agent: drops the messages for the one before it."""
        self._epoch = epoch
        self._clear()

    def answer(self, number: int, result: Result, fds: Sequence[int] = ()) -> None:
        self._put(Answer(self._epoch, number, result), fds)

    def notify(self, event: Exited) -> None:
        self._put(Notice(self._epoch, event))

    def _put(self, message: Answer | Notice, fds: Sequence[int] = ()) -> None:
        if not self._epoch:
            return
        self._queue.append((wire.dumps(message), [os.dup(fd) for fd in fds]))
        if len(self._queue) > _LIMIT:
            self._clear()
            self._queue.append((wire.dumps(Notice(self._epoch, Overflow())), []))
        self.flush()

    def _clear(self) -> None:
        for _, fds in self._queue:
            for fd in fds:
                os.close(fd)
        self._queue.clear()

    def flush(self) -> None:
        """Sends what the agent has room for; asks to be called again for the rest."""
        while self._queue:
            data, fds = self._queue[0]
            try:
                wire.send(self._sock, data, fds)
            except (BlockingIOError, ConnectionError):
                break
            self._queue.popleft()
            for fd in fds:
                os.close(fd)
        self._want_write(bool(self._queue))

    def refuse(self, error: str) -> None:
        """Answers a peer of another version: the packet's version is what the peer will understand."""
        try:
            wire.send(self._sock, wire.dumps(Answer(0, 0, Failed(error))))
        except (BlockingIOError, ConnectionError):
            return
