"""Ports of the host that Pods may connect to: the user lists them (`fairlead up --expose-host`); no other is in reach.

The relay listens on the fabric's gateway; for each connection the supervisor, who holds the list, dials the host's
127.0.0.1 and hands the socket in.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.relay.copy import Pump, refuse
from fairlead.relay.listener import HostListener, PortTaken

_BACKLOG = 512
_AT_ONCE = 64
_ACCEPT_PAUSE_S = 0.1


async def run(ports: Sequence[int], *, address: str, host: HostListener, log: Log) -> None:
    """For ever. Listens on `address`, in the network namespace that it is called in."""
    async with Nursery() as nursery:
        pump = Pump()
        for port in ports:
            try:
                listener = socket.create_server((address, port), backlog=_BACKLOG)
            except OSError as error:
                log.error("cannot expose the host's port", port=port, error=error)
                continue
            listener.setblocking(False)
            nursery.spawn(_Door(listener, port, host=host, pump=pump, nursery=nursery, log=log).run())
        try:
            await asyncio.Future()
        finally:
            pump.close()


class _Door:
    def __init__(
        self, listener: socket.socket, port: int, *, host: HostListener, pump: Pump, nursery: Nursery, log: Log
    ) -> None:
        self._listener = listener
        self._port = port
        self._host = host
        self._pump = pump
        self._nursery = nursery
        self._log = log
        self._failed = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        with self._listener:
            while True:
                loop.add_reader(self._listener.fileno(), self._accept)
                try:
                    await self._failed.wait()
                finally:
                    loop.remove_reader(self._listener.fileno())
                self._failed.clear()
                await asyncio.sleep(_ACCEPT_PAUSE_S)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                peer, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._log.warn("cannot accept", port=self._port, error=error)
                self._failed.set()
                return
            peer.setblocking(False)
            self._nursery.spawn(self._carry(peer))

    async def _carry(self, peer: socket.socket) -> None:
        try:
            there = await self._host.connect(self._port)
        except (PortTaken, OSError, TimeoutError) as error:
            self._log.debug("the host does not answer", port=self._port, error=error)
            refuse(peer)
        except asyncio.CancelledError:
            refuse(peer)
            raise
        else:
            self._pump.meet(peer, there)
