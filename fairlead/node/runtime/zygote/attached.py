"""The zygote's side of `kubectl attach`: copies a container's output in frames through a pipe to one client.

A frame is a channel (1 stdout, 2 stderr), a length and that many bytes. Data that does not fit into the pipe is queued,
up to a bound; a client that falls behind by more is dropped, and the last frame says so. The end of the pipe means that
the container has ended. The pipe also shows that the reader has closed it, so a dead agent's clients need no message.
Rejected: a pipe for each output (twice the bookkeeping, and stdout and stderr lose their order); waiting for the client
(it would stop the container and its log); reading the log file instead (it has whole lines only, and a prompt is not a
whole line). Standard library only (the zygote imports this).
"""

from __future__ import annotations

import os
import select
import struct
from collections import deque

LIMIT = 8 << 20
_OPENING = 64 << 10
HEAD = struct.Struct(">BI")
CHANNELS = {"stdout": 1, "stderr": 2}
DROPPED = 255
"""The channel of the last frame to a client that was too slow for its container."""


class Opening:
    """The latest of what a container with `stdinOnce` has said before the one client that it was made for is there.

    `kubectl run -i` attaches some milliseconds after the start, when a short command has spoken but may not have ended:
    neither the attachment nor the log would show it. Upstream loses it; here one run in ten would.
    """

    def __init__(self) -> None:
        self._said: deque[tuple[int, bytes]] = deque()
        self._size = 0

    def feed(self, channel: int, data: bytes) -> None:
        self._said.append((channel, data))
        self._size += len(data)
        while self._size > _OPENING:
            self._size -= len(self._said.popleft()[1])

    def hand_over(self, client: AttachedClient) -> None:
        for channel, data in self._said:
            client.feed(channel, data)


class AttachedClient:
    """A client of a running container; owns only its queue: the zygote closes `fd`."""

    def __init__(self, fd: int, *, stdin: bool) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.stdin = stdin
        """It may write to the container's input."""
        self.ended = False
        """True if only queued data is left to send."""
        self._queue: deque[bytes] = deque()
        self._size = 0

    def feed(self, channel: int, data: bytes) -> None:
        if self.ended:
            return
        self._put(channel, data)
        if self._size > LIMIT and not self.flush() and self._size > LIMIT:
            first = self._queue[0]  # it may have been sent in part
            self._queue.clear()
            self._queue.append(first)
            self._size = len(first)
            self._put(DROPPED, b"")
            self.ended = True

    def _put(self, channel: int, data: bytes) -> None:
        self._queue.append(HEAD.pack(channel, len(data)) + data)
        self._size += HEAD.size + len(data)

    def flush(self) -> bool:
        """Sends as much as the pipe has room for; returns False if data is left."""
        while self._queue:
            first = self._queue[0]
            try:
                sent = os.write(self.fd, first)
            except BlockingIOError:
                return False
            except OSError:  # the reader has closed the pipe
                self._queue.clear()
                self.ended = True
                return True
            self._size -= sent
            if sent < len(first):
                self._queue[0] = first[sent:]
            else:
                self._queue.popleft()
        return True

    def left(self) -> bool:
        """Returns True if the reader has closed the pipe."""
        poll = select.poll()
        poll.register(self.fd, 0)
        return bool(poll.poll(0))
