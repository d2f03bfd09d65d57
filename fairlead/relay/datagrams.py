"""Carries datagrams of many clients through one socket on the host, with one socket inside for each client.

A client is known by its address until 60 s after its last datagram in either direction. If there are too many
clients, the one that has been silent longest is dropped.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable

from fairlead.base.limits import descriptor_limit
from fairlead.relay.copy import Address

IDLE_S = 60.0
MOST_CLIENTS = 4096
_AT_ONCE = 64
_LONGEST = 65535
_LOOK_EVERY_S = 10.0


class _Client:
    __slots__ = ("at", "sock")

    def __init__(self, sock: socket.socket, at: float) -> None:
        self.sock = sock
        self.at = at


class Datagrams:
    """Carries datagrams until `close`. Owns `outer`. `target` returns the address for a new client's datagrams."""

    def __init__(self, outer: socket.socket, target: Callable[[], Address]) -> None:
        self._loop = asyncio.get_running_loop()
        self._outer = outer
        self._target = target
        self._clients: OrderedDict[Address, _Client] = OrderedDict()
        self._most = max(1, min(MOST_CLIENTS, descriptor_limit() // 16))
        """Bounded, so that other ports and the rest of the process have descriptors left."""
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(outer.fileno(), self._from_clients)

    @property
    def count(self) -> int:
        return len(self._clients)

    def close(self) -> None:
        self._loop.remove_reader(self._outer.fileno())
        self._outer.close()
        for address in list(self._clients):
            self._forget(address)
        if self._timer is not None:
            self._timer.cancel()

    def _from_clients(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, address = self._outer.recvfrom(_LONGEST)
            except OSError:  # nothing more; or the ICMP error of an undeliverable answer, reported once
                return
            client = self._clients.get(address) or self._from_unknown(address, data)
            if client is None:
                continue
            client.at = self._loop.time()
            self._clients.move_to_end(address)
            try:
                client.sock.send(data)
            except BlockingIOError:
                continue  # lost, as in a full queue of a router
            except OSError:  # an earlier datagram was refused: choose another target next time
                self._forget(address)

    def _from_unknown(self, address: Address, data: bytes) -> _Client | None:
        """Adds a new client, whose first datagram the caller then sends. Returns None if there is no target."""
        sock = None
        try:
            target = self._target()
            family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            sock.connect(target)
        except OSError:
            if sock is not None:
                sock.close()
            return None
        return self._add_client(address, sock)

    def _add_client(self, address: Address, sock: socket.socket) -> _Client:
        if len(self._clients) >= self._most:
            self._forget(next(iter(self._clients)))
        client = self._clients[address] = _Client(sock, self._loop.time())
        self._loop.add_reader(sock.fileno(), self._from_service, address, client)
        if self._timer is None:
            self._timer = self._loop.call_later(_LOOK_EVERY_S, self._forget_idle)
        return client

    def _from_service(self, address: Address, client: _Client) -> None:
        for _ in range(_AT_ONCE):
            try:
                data = client.sock.recv(_LONGEST)
            except BlockingIOError:
                return
            except OSError:
                self._forget(address)
                return
            client.at = self._loop.time()
            try:
                self._outer.sendto(data, address)
            except OSError:
                return

    def _forget(self, address: Address) -> None:
        client = self._clients.pop(address)
        self._loop.remove_reader(client.sock.fileno())
        client.sock.close()

    def _forget_idle(self) -> None:
        self._timer = None
        before = self._loop.time() - IDLE_S
        for address in [address for address, client in self._clients.items() if client.at < before]:
            self._forget(address)
        if self._clients:
            self._timer = self._loop.call_later(_LOOK_EVERY_S, self._forget_idle)
