"""The zygote's event loop: which function is called if a descriptor can be read or written. Standard library only."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

React = Callable[[], object]


class Poller:
    def __init__(self) -> None:
        self._poll = select.epoll()
        self._readers: dict[int, React] = {}
        self._writers: dict[int, React] = {}

    def watch(self, fd: int, reader: React, writer: React | None = None) -> None:
        """Watches a descriptor. `writer` is called only while `want_write` asks for it."""
        self._readers[fd] = reader
        if writer is not None:
            self._writers[fd] = writer
        self._poll.register(fd, select.EPOLLIN)

    def want_write(self, fd: int, on: bool) -> None:
        self._poll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if on else 0))

    def close(self, fd: int) -> None:
        """Closes a descriptor that is watched; another one stays as it is."""
        self._writers.pop(fd, None)
        if self._readers.pop(fd, None):
            self._poll.unregister(fd)
            os.close(fd)

    def step(self) -> None:
        """Waits for events and calls the functions of their descriptors."""
        for fd, events in self._poll.poll():
            writer = self._writers.get(fd)
            if writer and events & select.EPOLLOUT:
                writer()
            reader = self._readers.get(fd)
            if reader and events & ~select.EPOLLOUT:
                reader()
