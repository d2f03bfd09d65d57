"""Carries connections and datagrams of Pods to other machines.

A connection is accepted first, because the kernel has finished the handshake when the relay hears of it. If the
destination cannot be reached, or is refused, the connection is reset. ICMP (`ping`) is not carried.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from fairlead.base.limits import descriptor_limit
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.net.hostsockets.client import HostSocketClient
from fairlead.net.model import ClusterNetwork
from fairlead.net.netlink.run import Netlink
from fairlead.net.nft.run import NftKernel
from fairlead.relay.accepting import Acceptor
from fairlead.relay.copy import Address, Pump, refuse
from fairlead.relay.egress import sockets
from fairlead.relay.egress.rules import routes, rules

CONNECT_S = 15.0
"""Time for a connection to another machine; Linux sends the first SYN again after 1, 3 and 7 s."""
IDLE_S = 60.0
MOST_FLOWS = 1024
_AT_ONCE = 64
_MOST_WAITING = 16
_LOOK_EVERY_S = 10.0

Flow = tuple[Address, Address]
"""Sender and destination."""


async def run(network: ClusterNetwork, *, host: HostSocketClient, log: Log) -> None:
    """Runs until cancelled, in the fabric's network namespace."""
    families = [socket.AF_INET, *([socket.AF_INET6] if network.six is not None else [])]
    listeners, receivers = _opened(families)
    install(network, tcp=listeners[0].getsockname()[1], udp=receivers[0].getsockname()[1])
    async with Nursery() as nursery:
        pump = Pump(max(1, descriptor_limit() // 8))
        dialing = asyncio.Semaphore(max(1, descriptor_limit() // 16))
        flows = [Flows(one, host=host, nursery=nursery, log=log) for one in receivers]
        for listener in listeners:
            carrying = partial(carry, host=host, pump=pump, dialing=dialing, log=log)
            nursery.spawn(Acceptor(listener, carrying, nursery=nursery, log=log).run())
        try:
            await asyncio.Future()
        finally:
            pump.close()
            for one in flows:
                one.close()


def _opened(families: Sequence[socket.AddressFamily]) -> tuple[list[socket.socket], list[socket.socket]]:
    """Returns the sockets; those of the second family have the ports of the first, which the rules name once."""
    listeners, receivers = [sockets.listening(families[0])], [sockets.receiving(families[0])]
    for family in families[1:]:
        listeners.append(sockets.listening(family, listeners[0].getsockname()[1]))
        receivers.append(sockets.receiving(family, receivers[0].getsockname()[1]))
    return listeners, receivers


def install(network: ClusterNetwork, *, tcp: int, udp: int) -> None:
    """Replaces the rules and adds the routes. Raises NftError, OSError."""
    kernel = NftKernel()
    try:
        kernel.run_text(rules(network, tcp=tcp, udp=udp))
    finally:
        kernel.close()
    with Netlink() as netlink:
        netlink.execute(routes(network))


async def carry(
    peer: socket.socket, sender: str, *, host: HostSocketClient, pump: Pump, dialing: asyncio.Semaphore, log: Log
) -> None:
    """Joins a Pod's connection to one outside; resets it if that cannot be made. `dialing` bounds the connections that
    wait for an answer: the published ports need descriptors of this process, too."""
    address = peer.getsockname()[:2]
    try:
        if dialing.locked():
            raise OSError(errno.EAGAIN, "too many connections wait for an answer from outside")
        async with dialing:
            there = await host.dial(address, "TCP")
            await connected(there, CONNECT_S)
    except OSError as error:
        log.info("not reached", destination=f"{address[0]}:{address[1]}/TCP", sender=sender, error=error)
        refuse(peer)
    except asyncio.CancelledError:
        refuse(peer)
        raise
    else:
        pump.join(peer, there, source=hash(sender))


async def connected(sock: socket.socket, limit_s: float) -> None:
    """Waits until a connecting socket is connected. Closes the socket and raises OSError or TimeoutError if not."""
    loop = asyncio.get_running_loop()
    writable = asyncio.Event()
    loop.add_writer(sock.fileno(), writable.set)
    try:
        async with asyncio.timeout(limit_s):
            await writable.wait()
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "")
    except BaseException:
        loop.remove_writer(sock.fileno())
        sock.close()
        raise
    loop.remove_writer(sock.fileno())


class _Open:
    """A flow whose socket outside is open."""

    __slots__ = ("answers", "at", "outside")

    def __init__(self, outside: socket.socket, answers: socket.socket, at: float) -> None:
        self.outside = outside
        self.answers = answers
        """Sends to the Pod from the destination's address."""
        self.at = at


class Flows:
    """Carries the datagrams that arrive at one socket. A flow ends 60 s after its last datagram in either direction; if
    there are too many, the one that has been silent longest ends."""

    def __init__(self, receiver: socket.socket, *, host: HostSocketClient, nursery: Nursery, log: Log) -> None:
        self._loop = asyncio.get_running_loop()
        self._receiver = receiver
        self._host = host
        self._nursery = nursery
        self._log = log
        self._open: OrderedDict[Flow, _Open] = OrderedDict()
        self._waiting: dict[Flow, list[bytes]] = {}
        self._most = max(1, min(MOST_FLOWS, descriptor_limit() // 16))
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(receiver.fileno(), self._from_pods)

    @property
    def count(self) -> int:
        return len(self._open)

    def close(self) -> None:
        self._loop.remove_reader(self._receiver.fileno())
        self._receiver.close()
        for flow in list(self._open):
            self._end(flow)
        if self._timer is not None:
            self._timer.cancel()

    def _from_pods(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, sender, destination = sockets.receive(self._receiver)
            except OSError:
                return
            self._take((sender, destination), data)

    def _take(self, flow: Flow, data: bytes) -> None:
        known = self._open.get(flow)
        if known is not None:
            self._send(flow, known, data)
        elif (waiting := self._waiting.get(flow)) is not None:
            if len(waiting) < _MOST_WAITING:
                waiting.append(data)
        elif len(self._waiting) < self._most:
            self._waiting[flow] = [data]
            self._nursery.spawn(self._begin(flow))

    def _send(self, flow: Flow, known: _Open, data: bytes) -> None:
        known.at = self._loop.time()
        self._open.move_to_end(flow)
        try:
            known.outside.send(data)
        except BlockingIOError:
            return  # lost, as in a full queue of a router
        except OSError:  # an earlier datagram was refused
            self._end(flow)

    async def _begin(self, flow: Flow) -> None:
        sender, destination = flow
        try:
            outside = await self._host.dial(destination, "UDP")
        except OSError as error:
            place = f"{destination[0]}:{destination[1]}/UDP"
            self._log.info("not reached", destination=place, sender=sender[0], error=error)
            del self._waiting[flow]
            return
        except asyncio.CancelledError:
            del self._waiting[flow]
            raise
        waiting = self._waiting.pop(flow)
        known = self._add(flow, outside)
        for data in waiting if known is not None else ():
            if self._open.get(flow) is known and known is not None:
                self._send(flow, known, data)

    def _add(self, flow: Flow, outside: socket.socket) -> _Open | None:
        if len(self._open) >= self._most:
            self._end(next(iter(self._open)))
        try:
            answers = sockets.sending_from(flow[1])
        except OSError as error:
            self._log.warn("cannot answer", address=flow[1][0], error=error)
            outside.close()
            return None
        known = self._open[flow] = _Open(outside, answers, self._loop.time())
        self._loop.add_reader(outside.fileno(), self._from_outside, flow, known)
        if self._timer is None:
            self._timer = self._loop.call_later(_LOOK_EVERY_S, self._end_idle)
        return known

    def _from_outside(self, flow: Flow, known: _Open) -> None:
        for _ in range(_AT_ONCE):
            try:
                data = known.outside.recv(sockets.LONGEST)
            except BlockingIOError:
                return
            except OSError:
                self._end(flow)
                return
            known.at = self._loop.time()
            try:
                known.answers.sendto(data, flow[0])
            except OSError:
                return

    def _end(self, flow: Flow) -> None:
        known = self._open.pop(flow)
        self._loop.remove_reader(known.outside.fileno())
        known.outside.close()
        known.answers.close()

    def _end_idle(self) -> None:
        self._timer = None
        before = self._loop.time() - IDLE_S
        for flow in [flow for flow, known in self._open.items() if known.at < before]:
            self._end(flow)
        if self._open:
            self._timer = self._loop.call_later(_LOOK_EVERY_S, self._end_idle)
