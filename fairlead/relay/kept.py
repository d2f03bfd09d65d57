"""Relay side of `vault.py`: stores the listening sockets with pid 1, and restores those of the previous relay.

Each socket is stored with its route, so a new relay carries connections before the API has answered.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from fairlead.relay.plan import PublishedPort, Route
from fairlead.relay.vault import Kept


@dataclass(frozen=True, slots=True)
class Restored:
    """A socket that an earlier relay opened."""

    route: Route
    sock: socket.socket


class Keeper:
    """Sends messages to pid 1. `sock` blocks: pid 1 reads at once, except for 0.3 s the first time that a component
    dies.

    `restored`: the ports of the previous relay. The sockets are copies of pid 1's; this process closes them.
    """

    def __init__(self, sock: socket.socket, contents: Iterable[Kept]) -> None:
        self._sock = sock
        self.restored = _restore(contents)
        self._kept = {published: before.route for published, before in self.restored.items()}

    def keep(self, published: PublishedPort, route: Route, sock: socket.socket) -> None:
        self._kept[published] = route
        self._send({"key": _key(published), "state": _state(route)}, sock)

    def change(self, published: PublishedPort, route: Route) -> None:
        """Changes the route of a kept port. Does nothing if the port is not kept or the route is the same."""
        if self._kept.get(published, route) != route:
            self._kept[published] = route
            self._send({"key": _key(published), "state": _state(route)})

    def drop(self, published: PublishedPort) -> None:
        if self._kept.pop(published, None) is not None:
            self._send({"key": _key(published)})

    def _send(self, message: dict[str, str], sock: socket.socket | None = None) -> None:
        socket.send_fds(self._sock, [json.dumps(message).encode()], [sock.fileno()] if sock else [])


def _restore(contents: Iterable[Kept]) -> dict[PublishedPort, Restored]:
    restored = {}
    for kept in contents:
        sock = socket.socket(fileno=kept.fd)
        sock.setblocking(False)
        route = json.loads(kept.state)
        restored[PublishedPort(*json.loads(kept.key))] = Restored(
            Route(route[0], frozenset(route[1]), always_same=route[2]), sock
        )
    return restored


def _key(published: PublishedPort) -> str:
    return json.dumps([published.service, published.protocol, published.port])


def _state(route: Route) -> str:
    return json.dumps([route.address, sorted(route.nodes), route.always_same])
