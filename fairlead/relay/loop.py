"""Watches Services, has their node ports listened on at the host, and copies connections to a node.

What must stay true: a port is listened on exactly while a Service has it as a TCP node port and somebody serves behind
it; a port that is taken on the host is said so on the Service and tried again now and then; one node that does not
answer costs a connection a second, not its life. Connections outlive the Service they were made to, as on the nodes.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Sequence

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery, run_all
from fairlead.relay.copy import CopyBuffer, join, refuse
from fairlead.relay.listener import HostListener, PortTaken
from fairlead.relay.plan import host_ports
from fairlead.runtime.backoff import Backoff
from fairlead.runtime.client import Client
from fairlead.runtime.events import Recorder
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.services import ServiceView

__all__ = ["NOT_PUBLISHED", "HostListener", "Relay", "run"]

NOT_PUBLISHED = "NodePortNotPublished"

_CONNECT_S = 1.0
_ACCEPT_PAUSE_S = 0.1
_ACCEPT_AT_ONCE = 64
_RETRY_BASE_S, _RETRY_CAP_S = 2.0, 60.0


async def run(client: Client, *, host: HostListener, node_ips: Sequence[str], clock: Clock, log: Log) -> None:
    """For ever."""
    informers = InformerSet(client, log=log)
    recorder = Recorder(client, component="fairlead-relay", clock=clock, log=log)
    async with Nursery() as nursery:
        relay = Relay(host, node_ips=node_ips, recorder=recorder, nursery=nursery, log=log)
        relay.view.follow(informers)

        async def work() -> None:
            await informers.wait_synced()
            await relay.run()

        await run_all(informers.run(), recorder.run(), work())


class Relay:
    """What is published, and the tasks that accept. It does what `view` says."""

    def __init__(
        self, host: HostListener, *, node_ips: Sequence[str], recorder: Recorder, nursery: Nursery, log: Log
    ) -> None:
        self.view = ServiceView()
        self._host = host
        self._node_ips = list(node_ips)
        self._recorder = recorder
        self._nursery = nursery
        self._log = log
        self._claims: dict[int, set[str]] = {}
        """Port -> the Services that publish it (two, for a moment, where one took over from the other)."""
        self._ports_of: dict[str, frozenset[int]] = {}
        self._listening: dict[int, asyncio.Task[None]] = {}
        self._buffer = CopyBuffer()
        self._turn = 0

    async def run(self) -> None:
        """For ever. Start it once the informers are synced."""
        while True:
            touched: set[int] = set()
            for key in await self.view.changed():
                touched |= self._claim(key)
            for port in sorted(touched):
                self._follow(port)

    def _claim(self, key: str) -> frozenset[int]:
        """Notes which ports the Service publishes now; returns those where that changed."""
        before = self._ports_of.pop(key, frozenset())
        now = host_ports(self.view.service(key), self.view.slices(key))
        if now:
            self._ports_of[key] = now
        for port in before - now:
            self._claims[port].discard(key)
        for port in now - before:
            self._claims.setdefault(port, set()).add(key)
        return before ^ now

    def _follow(self, port: int) -> None:
        if self._claims.get(port):
            if port not in self._listening:
                self._listening[port] = self._nursery.spawn(self._publish(port), name=f"port {port}")
            return
        self._claims.pop(port, None)
        task = self._listening.pop(port, None)
        if task:
            task.cancel()

    async def _publish(self, port: int) -> None:
        """Listens and accepts until it is cancelled."""
        with await self._listen(port) as listener:
            self._log.info("published", port=port)
            loop = asyncio.get_running_loop()
            ready = asyncio.Event()
            # Not `sock_accept`: a connection that it has taken when it is cancelled is lost.
            loop.add_reader(listener.fileno(), ready.set)
            try:
                while True:
                    await ready.wait()
                    ready.clear()
                    if not self._accept(listener, port):
                        loop.remove_reader(listener.fileno())
                        await asyncio.sleep(_ACCEPT_PAUSE_S)
                        loop.add_reader(listener.fileno(), ready.set)
            finally:
                loop.remove_reader(listener.fileno())

    def _accept(self, listener: socket.socket, port: int) -> bool:
        """Takes what is waiting; False where there is nothing to take it with (descriptors)."""
        for _ in range(_ACCEPT_AT_ONCE):
            try:
                peer, _address = listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                self._log.warn("cannot accept", port=port, error=error)
                return False
            peer.setblocking(False)
            self._nursery.spawn(self._carry(peer, port))
        return True

    async def _listen(self, port: int) -> socket.socket:
        backoff = Backoff(base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S, rng=random.Random(port))
        while True:
            try:
                return await self._host.listen(port)
            except PortTaken as error:
                self._say(port, str(error))
            except (OSError, TimeoutError) as error:
                self._log.warn("the supervisor does not answer", port=port, error=error)
            await asyncio.sleep(backoff.next())

    def _say(self, port: int, why: str) -> None:
        text = (
            f"127.0.0.1:{port} on the host cannot be listened on: {why}. The port still works on the nodes; will retry"
        )
        self._log.warn("not published", port=port, why=why)
        for key in sorted(self._claims.get(port, ())):
            service = self.view.service(key)
            if service is not None:
                self._recorder.event(service, "Warning", NOT_PUBLISHED, text)

    async def _carry(self, peer: socket.socket, port: int) -> None:
        try:
            upstream = await self._dial(port)
        except OSError as error:
            self._log.debug("no node answers", port=port, error=error)
            refuse(peer)
            return
        except asyncio.CancelledError:
            refuse(peer)
            raise
        try:
            await join(peer, upstream, self._buffer)
        except OSError as error:
            self._log.debug("connection lost", port=port, error=error)

    async def _dial(self, port: int) -> socket.socket:
        """A connection to the port on one of the nodes, each taking its turn to be the first that is tried."""
        loop = asyncio.get_running_loop()
        self._turn += 1
        last: OSError = ConnectionRefusedError("no nodes")
        for i in range(len(self._node_ips)):
            ip = self._node_ips[(self._turn + i) % len(self._node_ips)]
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                async with asyncio.timeout(_CONNECT_S):
                    await loop.sock_connect(sock, (ip, port))
            except OSError as error:
                sock.close()
                last = error
            except asyncio.CancelledError:
                sock.close()
                raise
            else:
                return sock
        raise last
