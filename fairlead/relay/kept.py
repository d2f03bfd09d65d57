"""Relay side of `vault.py`: stores the listening sockets with pid 1, and restores those of the previous relay.

Each socket is stored with its route, so a new relay carries connections before the API has answered.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from fairlead.relay.plan import Door, Way
from fairlead.relay.vault import Kept


@dataclass(frozen=True, slots=True)
class Restored:
    """A socket that an earlier relay opened."""

    way: Way
    sock: socket.socket


class Keeper:
    """Sends messages to pid 1. `sock` blocks: pid 1 reads at once, except for 0.3 s the first time that a component
    dies.

    `restored`: the ports of the previous relay. The sockets are copies of pid 1's; this process closes them.
    """

    def __init__(self, sock: socket.socket, contents: Iterable[Kept]) -> None:
        self._sock = sock
        self.restored = _restore(contents)
        self._kept = {door: before.way for door, before in self.restored.items()}

    def keep(self, door: Door, way: Way, sock: socket.socket) -> None:
        self._kept[door] = way
        self._send({"key": _key(door), "state": _state(way)}, sock)

    def change(self, door: Door, way: Way) -> None:
        """Changes the route of a kept port. Does nothing if the port is not kept or the route is the same."""
        if self._kept.get(door, way) != way:
            self._kept[door] = way
            self._send({"key": _key(door), "state": _state(way)})

    def drop(self, door: Door) -> None:
        if self._kept.pop(door, None) is not None:
            self._send({"key": _key(door)})

    def _send(self, message: dict[str, str], sock: socket.socket | None = None) -> None:
        socket.send_fds(self._sock, [json.dumps(message).encode()], [sock.fileno()] if sock else [])


def _restore(contents: Iterable[Kept]) -> dict[Door, Restored]:
    found = {}
    for kept in contents:
        sock = socket.socket(fileno=kept.fd)
        sock.setblocking(False)
        way = json.loads(kept.state)
        found[Door(*json.loads(kept.key))] = Restored(Way(way[0], frozenset(way[1]), always_same=way[2]), sock)
    return found


def _key(door: Door) -> str:
    return json.dumps([door.service, door.protocol, door.port])


def _state(way: Way) -> str:
    return json.dumps([way.address, sorted(way.nodes), way.always_same])
