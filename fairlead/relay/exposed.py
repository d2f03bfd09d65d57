"""Ports of the host that Pods may connect to: those of `fairlead up --expose-host`, and no others.

The relay listens on the fabric's gateway. For each connection, and for each client that sends datagrams, the
supervisor, which has the list, dials the host's 127.0.0.1 and passes the socket in.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial

from fairlead.base.limits import descriptor_limit
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.net.hostsockets.client import HostSocketClient
from fairlead.relay.accepting import Acceptor
from fairlead.relay.copy import Address, Pump, refuse
from fairlead.relay.datagrams import Datagrams
from fairlead.relay.host import Exposed

_BACKLOG = 512
_MOST_WAITING = 16
"""Datagrams of one client that wait for its socket."""
_MOST_STRANGERS = 256


async def run(ports: Exposed, *, address: str, host: HostSocketClient, log: Log) -> None:
    """Runs until cancelled. Listens on `address`, in the calling thread's network namespace."""
    async with Nursery() as nursery:
        pump = Pump(max(1, descriptor_limit() // 8))  # two descriptors each: a quarter of all
        senders: list[_Senders] = []
        for protocol, port in sorted(ports):
            try:
                if protocol == "UDP":
                    senders.append(_Senders(_bound(address, port), port, host=host, nursery=nursery, log=log))
                    continue
                listener = socket.create_server((address, port), family=_family(address), backlog=_BACKLOG)
            except OSError as error:
                log.error("cannot expose the host's port", port=f"{port}/{protocol}", error=error)
                continue
            listener.setblocking(False)
            carry = partial(_carry, port=port, host=host, pump=pump, log=log)
            nursery.spawn(Acceptor(listener, carry, nursery=nursery, log=log).run())
        try:
            await asyncio.Future()
        finally:
            pump.close()
            for sender in senders:
                sender.close()


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _bound(address: str, port: int) -> socket.socket:
    sock = socket.socket(_family(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


class _Senders(Datagrams):
    """The clients of one UDP port. Their datagrams wait, up to a bound, until the supervisor has opened a socket."""

    def __init__(self, outer: socket.socket, port: int, *, host: HostSocketClient, nursery: Nursery, log: Log) -> None:
        super().__init__(outer, lambda: ("", 0))
        self._port = port
        self._host = host
        self._nursery = nursery
        self._log = log
        self._waiting: dict[Address, list[bytes]] = {}

    def _from_unknown(self, address: Address, data: bytes) -> None:
        waiting = self._waiting.get(address)
        if waiting is not None:
            if len(waiting) < _MOST_WAITING:
                waiting.append(data)
        elif len(self._waiting) < _MOST_STRANGERS:
            self._waiting[address] = [data]
            self._nursery.spawn(self._open(address))

    async def _open(self, address: Address) -> None:
        try:
            there = await self._host.connect(self._port, "UDP")
        except OSError as error:
            self._log.debug("the host does not answer", port=self._port, error=error)
            del self._waiting[address]
            return
        except asyncio.CancelledError:
            del self._waiting[address]
            raise
        self._add_client(address, there)
        for data in self._waiting.pop(address):
            try:
                there.send(data)
            except OSError:  # refused: the kernel reports it at the next read
                return


async def _carry(peer: socket.socket, _sender: str, *, port: int, host: HostSocketClient, pump: Pump, log: Log) -> None:
    try:
        there = await host.connect(port)
    except OSError as error:
        log.debug("the host does not answer", port=port, error=error)
        refuse(peer)
    except asyncio.CancelledError:
        refuse(peer)
        raise
    else:
        pump.join(peer, there, source=port)
