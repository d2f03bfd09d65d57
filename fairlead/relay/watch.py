"""Watches sockets by descriptor, in a separate epoll that the event loop sees as one descriptor.

Each descriptor is registered once, edge-triggered, for its whole life: watching a connection then costs two calls,
while readers and writers of the event loop cost six or more, and a handle each time. A handler must read everything
available at an edge, or call `call_again`.
"""

from __future__ import annotations

import asyncio
from os import close
from select import EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, epoll
from typing import Protocol

READING = EPOLLIN | EPOLLRDHUP | EPOLLET
WRITING = READING | EPOLLOUT

_ROUNDS_A_TURN = 4
_EVENTS_A_ROUND = 256


class Watched(Protocol):
    def ready(self, mask: int, /) -> None:
        """Handles an edge. `mask` is epoll's; 0 is the next turn after `call_again`."""


class Watch:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = epoll()
        self._watched: dict[int, Watched] = {}
        self._repeated: list[int] = []
        self._ended: list[int] = []
        self._loop.add_reader(self._epoll.fileno(), self._turn)

    def close(self) -> None:
        self.close_ended()
        self._watched.clear()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def add(self, fd: int, what: Watched, events: int) -> None:
        """Watches a descriptor. Events that hold already are reported too."""
        self._watched[fd] = what
        self._epoll.register(fd, events)

    def change(self, fd: int, what: Watched, events: int) -> None:
        """Changes handler and events. Events that hold already are reported too."""
        self._watched[fd] = what
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_again(self, fd: int) -> None:
        """Calls the handler again in the next turn, so that one connection does not delay the others."""
        self._repeated.append(fd)

    def end(self, fd: int) -> None:
        """Closes a descriptor after this round: an event of it may be pending, and a new connection would get its
        number."""
        del self._watched[fd]
        self._ended.append(fd)

    def close_ended(self) -> None:
        """Closes ended descriptors at once: for callers outside an event handler."""
        ended, self._ended = self._ended, []
        for fd in ended:
            close(fd)

    def _turn(self) -> None:
        for _ in range(_ROUNDS_A_TURN):
            repeated, self._repeated = self._repeated, []
            events = self._epoll.poll(0, _EVENTS_A_ROUND)
            self._dispatch(events)
            self._dispatch([(fd, 0) for fd in repeated])
            self.close_ended()
            if not events and not self._repeated:
                return
        if self._repeated:
            self._loop.call_soon(self._turn)

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        watched = self._watched
        for fd, mask in events:
            what = watched.get(fd)
            if what is not None:
                what.ready(mask)
