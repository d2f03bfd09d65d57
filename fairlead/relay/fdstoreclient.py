"""Relay side of `fdstore.py`: stores the listening sockets with pid 1, and restores those of the previous relay.

Each socket is stored with its route, so a new relay carries connections before the API has answered.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable

from fairlead.base.dataclass import dataclass
from fairlead.relay.fdstore import StoredFd, StoreMessage, pack
from fairlead.relay.plan import PublishedPort, Route


@dataclass(frozen=True, slots=True)
class Restored:
    """A socket that an earlier relay opened."""

    route: Route
    sock: socket.socket


class FdStoreClient:
    """Sends messages to pid 1. `sock` blocks: pid 1 reads at once, except for 0.3 s the first time that a component
    dies.

    `restored`: the ports of the previous relay. The sockets are copies of pid 1's; this process closes them.
    """

    def __init__(self, sock: socket.socket, contents: Iterable[StoredFd]) -> None:
        self._sock = sock
        self.restored = _restore(contents)
        self._stored = {published: before.route for published, before in self.restored.items()}

    def store(self, published: PublishedPort, route: Route, sock: socket.socket) -> None:
        self._stored[published] = route
        self._send(StoreMessage(_key(published), _state(route)), sock)

    def change(self, published: PublishedPort, route: Route) -> None:
        """Changes the route of a stored port. Does nothing if the port is not stored or the route is the same."""
        if self._stored.get(published, route) != route:
            self._stored[published] = route
            self._send(StoreMessage(_key(published), _state(route)))

    def remove(self, published: PublishedPort) -> None:
        if self._stored.pop(published, None) is not None:
            self._send(StoreMessage(_key(published), None))

    def _send(self, message: StoreMessage, sock: socket.socket | None = None) -> None:
        socket.send_fds(self._sock, [pack(message)], [sock.fileno()] if sock else [])


def _restore(contents: Iterable[StoredFd]) -> dict[PublishedPort, Restored]:
    restored = {}
    for stored in contents:
        sock = socket.socket(fileno=stored.fd)
        sock.setblocking(False)
        route = json.loads(stored.state)
        restored[PublishedPort(*json.loads(stored.key))] = Restored(
            Route(route[0], frozenset(route[1]), always_same=route[2]), sock
        )
    return restored


def _key(published: PublishedPort) -> str:
    return json.dumps([published.service, published.protocol, published.port])


def _state(route: Route) -> str:
    return json.dumps([route.address, sorted(route.nodes), route.always_same])
