"""Carries connections: dials, then copies bytes both ways, with half-close and back-pressure.

What must stay true: what one side has finished is finished on the other; a side that does not read stops the other one
from being read (256 KiB wait for it at most); a failure arrives as a reset, so that nobody takes what came for all
there was; nothing is polled that nobody waits for.

Bare sockets and the event loop's readers, no transports, tasks or futures: what a connection costs is system calls. A
thread for each connection, or splice, gained nothing (facts, section 4.5).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Iterator, Sequence

Address = tuple[str, int]

_BUFFER = 256 * 1024
_READS_A_TURN = 4
_CONNECT_S = 0.5
_LOOK_AT_HALF_S = 30.0
_RESET_ON_CLOSE = struct.pack("=ii", 1, 0)
_TCP_CLOSE = 7


class Pump:
    """Carries any number of connections on the running event loop. `count` are being carried now."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.buffer = memoryview(bytearray(_BUFFER))
        self.pairs: set[_Pair] = set()
        self.half: set[_Pair] = set()
        """One side has finished and is not watched any more."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        return len(self.pairs)

    def carry(self, peer: socket.socket, targets: Sequence[Address]) -> None:
        """Joins an accepted, non-blocking connection to the first target that answers. Owns it."""
        pair = _Pair(self, peer, iter(targets))
        self.pairs.add(pair)
        pair.dial()

    def meet(self, peer: socket.socket, other: socket.socket) -> None:
        """Joins a connection to another one that is there, or just being made. Owns both."""
        pair = _Pair(self, peer, iter(()))
        self.pairs.add(pair)
        pair.wait_for(other)

    def close(self) -> None:
        for pair in list(self.pairs):
            pair.reset()

    def became_half(self, pair: _Pair) -> None:
        self.half.add(pair)
        if self._timer is None:
            self._timer = self.loop.call_later(_LOOK_AT_HALF_S, self._look_at_half)

    def _look_at_half(self) -> None:
        """A side that has finished may have died since, and only the kernel knows."""
        self._timer = None
        for pair in list(self.half):
            pair.end_if_dead()
        if self.half:
            self._timer = self.loop.call_later(_LOOK_AT_HALF_S, self._look_at_half)


class _Side:
    """One of the two sockets. `pending` came from the other side and could not be sent yet."""

    __slots__ = ("finished", "other", "pending", "reading", "sock", "writing")

    other: _Side

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.pending: memoryview | None = None
        self.finished = False
        """Will send no more."""
        self.reading = False
        self.writing = False


class _Pair:
    __slots__ = ("_client", "_dialing", "_pump", "_server", "_targets", "_timer")

    def __init__(self, pump: Pump, peer: socket.socket, targets: Iterator[Address]) -> None:
        self._pump = pump
        self._client = _Side(peer)
        self._server: _Side | None = None
        self._targets = targets
        self._dialing: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def dial(self) -> None:
        """Tries the next target; where there is none left, the client is refused."""
        for address in self._targets:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            code = sock.connect_ex(address)
            if code == errno.EINPROGRESS:
                code = sock.connect_ex(address)  # on one machine it is often there by now
            if code in (0, errno.EISCONN):
                self._join(sock)
                return
            if code in (errno.EINPROGRESS, errno.EALREADY):
                self.wait_for(sock)
                return
            sock.close()
        self._pump.pairs.discard(self)
        refuse(self._client.sock)

    def wait_for(self, sock: socket.socket) -> None:
        """Goes on once the connection is made."""
        self._dialing = sock
        self._pump.loop.add_writer(sock.fileno(), self._connected)
        self._timer = self._pump.loop.call_later(_CONNECT_S, self._too_late)

    def _dialled(self) -> socket.socket:
        """Ends the waiting for the connection in the making."""
        sock, self._dialing = self._dialing, None
        assert sock is not None
        assert self._timer is not None
        self._pump.loop.remove_writer(sock.fileno())
        self._timer.cancel()
        return sock

    def _too_late(self) -> None:
        self._dialled().close()
        self.dial()

    def _connected(self) -> None:
        sock = self._dialled()
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            sock.close()
            self.dial()
        else:
            self._join(sock)

    def _join(self, sock: socket.socket) -> None:
        client, server = self._client, _Side(sock)
        self._server = server
        client.other, server.other = server, client
        for side in (client, server):
            side.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._read_on(side)
        self._readable(client)  # what it asks for is often there by now

    def _read_on(self, side: _Side) -> None:
        if not side.reading and not side.finished:
            side.reading = True
            self._pump.loop.add_reader(side.sock.fileno(), self._readable, side)

    def _stop_reading(self, side: _Side) -> None:
        if side.reading:
            side.reading = False
            self._pump.loop.remove_reader(side.sock.fileno())

    def _readable(self, side: _Side) -> None:
        view = self._pump.buffer
        for _ in range(_READS_A_TURN):
            try:
                count = side.sock.recv_into(view)
            except BlockingIOError:
                return
            except OSError:
                self.reset()
                return
            if count == 0:
                self._finish(side)
                return
            if not self._pass_on(side.other, view[:count]) or count < _BUFFER:
                return

    def _pass_on(self, to: _Side, data: memoryview) -> bool:
        """False where not all of it could be sent, or nothing can be sent any more."""
        try:
            sent = to.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.reset()
            return False
        if sent == len(data):
            return True
        to.pending = memoryview(bytes(data[sent:]))
        to.writing = True
        self._stop_reading(to.other)
        self._pump.loop.add_writer(to.sock.fileno(), self._writable, to)
        return False

    def _writable(self, to: _Side) -> None:
        assert to.pending is not None
        try:
            sent = to.sock.send(to.pending)
        except BlockingIOError:
            return
        except OSError:
            self.reset()
            return
        if sent < len(to.pending):
            to.pending = to.pending[sent:]
            return
        to.pending = None
        to.writing = False
        self._pump.loop.remove_writer(to.sock.fileno())
        if to.other.finished:
            self._shut(to)
        else:
            self._read_on(to.other)

    def _finish(self, side: _Side) -> None:
        """The side has sent all."""
        side.finished = True
        self._stop_reading(side)
        if side.other.pending is None:
            self._shut(side.other)

    def _shut(self, to: _Side) -> None:
        """All that its other side had to say has been sent to it."""
        if to.finished and to.other.pending is None:
            self._close()
            return
        try:
            to.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.reset()
            return
        self._pump.became_half(self)

    def end_if_dead(self) -> None:
        for side in self._sides():
            if side.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE:
                self.reset()
                return

    def reset(self) -> None:
        """Ends both sides as a failure."""
        for side in self._sides():
            side.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._close()

    def _sides(self) -> Iterator[_Side]:
        yield self._client
        if self._server is not None:
            yield self._server

    def _close(self) -> None:
        if self._dialing is not None:
            self._dialled().close()
        for side in self._sides():
            self._stop_reading(side)
            if side.writing:
                self._pump.loop.remove_writer(side.sock.fileno())
            side.sock.close()
        self._pump.pairs.discard(self)
        self._pump.half.discard(self)


def refuse(sock: socket.socket) -> None:
    """Ends an accepted connection by a reset, which is the nearest thing to having refused it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    sock.close()
