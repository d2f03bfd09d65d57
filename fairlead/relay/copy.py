"""Carries connections: accepts, dials, then copies bytes both ways, with half-close and back-pressure.

What must stay true: a half-close of one side reaches the other; if one side does not read, the other is not read
either (at most 256 KiB are buffered); a failure arrives as a reset, so that no client mistakes truncated data for
the whole; a descriptor is watched only for events that are needed; connections to one listener, which any user of
the machine may open, leave descriptors to other listeners and to the rest of the process.

Nine tenths of the cost of a short connection are the kernel's, for one accepted and one new connection. The rest is
small because of bare descriptors, few calls and no readers, timers or objects of the event loop per connection. A
thread for each connection, or splice, gained nothing (docs/measurements.md, 4).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from ctypes import addressof, c_char, string_at
from errno import EAGAIN, EALREADY, ECONNABORTED, EINPROGRESS, EISCONN
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from operator import itemgetter
from os import close
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP

from fairlead.relay.calls import (
    Address,
    accept,
    connect,
    errno,
    raw_address,
    recv,
    reset_on_close,
    send,
    send_at_once,
    shutdown,
    tcp_socket,
)
from fairlead.relay.watch import READING, WRITING, Watch

__all__ = ["Address", "Pump", "refuse"]

_BUFFER = 256 * 1024
_READS_A_TURN = 4
_ACCEPTS_A_TURN = 64
_CONNECT_S = 0.5
_FAILED = EPOLLERR | EPOLLHUP
_NO_SIGNAL = socket.MSG_NOSIGNAL
_SHUT_WR = socket.SHUT_WR


class Pump:
    """Carries connections on the running event loop, at most `most` at once. `count` is their present number.

    At the bound a new connection is refused, unless another source has more connections than its source: then the
    newest one of that source is reset. So many connections of one source end neither older connections nor those of
    other sources.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._memory = mmap(-1, _BUFFER, MAP_PRIVATE | MAP_ANONYMOUS)  # no memory before the first connection
        self.buffer = addressof(c_char.from_buffer(self._memory))
        self.watch = Watch()
        self.pairs: dict[_Pair, None] = {}
        """The oldest first."""
        self._of_source: Counter[int] = Counter()
        self.dialling: dict[_Pair, float] = {}
        """The time at which each attempt to connect times out, the earliest first."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        return len(self.pairs)

    def accept_from(
        self, listener: socket.socket, targets: Callable[[], Sequence[Address]], failed: Callable[[OSError], object]
    ) -> None:
        """Carries connections of a non-blocking listener until `stop_accepting`. If accept fails (no descriptors),
        stops accepting and calls `failed`."""
        send_at_once(listener.fileno())
        acceptor = _Listener(self, listener.fileno(), targets, failed)
        self.watch.add(listener.fileno(), acceptor, EPOLLIN)

    def stop_accepting(self, listener: socket.socket) -> None:
        self.watch.remove(listener.fileno())

    def carry(self, peer: int, targets: Sequence[Address], *, source: int = 0) -> None:
        """Joins a connection (a non-blocking descriptor) to the first target that answers. Owns the descriptor."""
        if len(self.pairs) >= self._most and not self._make_room(source):
            _refuse(peer)
            return
        self._add(_Pair(self, peer, iter(targets), source)).dial()

    def join(self, peer: socket.socket, other: socket.socket, *, source: int = 0) -> None:
        """Joins a connection to another one that is established or connecting. Owns both."""
        if len(self.pairs) >= self._most and not self._make_room(source):
            refuse(peer)
            refuse(other)
            return
        self.watch.close_ended()  # the descriptors of the connection that was reset
        self._add(_Pair(self, _given(peer), iter(()), source)).wait_for(_given(other))

    def _add(self, pair: _Pair) -> _Pair:
        self.pairs[pair] = None
        self._of_source[pair.source] += 1
        return pair

    def remove(self, pair: _Pair) -> None:
        """Removes a connection that has ended."""
        if pair in self.pairs:
            del self.pairs[pair]
            left = self._of_source[pair.source] = self._of_source[pair.source] - 1
            if not left:
                del self._of_source[pair.source]

    def _make_room(self, source: int) -> bool:
        """Resets the newest connection of the source with the most connections, if it has more than `source`."""
        greediest, count = max(self._of_source.items(), key=itemgetter(1))
        if count <= self._of_source[source]:
            return False
        next(pair for pair in reversed(self.pairs) if pair.source == greediest).reset()
        return True

    def close(self) -> None:
        for pair in list(self.pairs):
            pair.reset()
        if self._timer is not None:
            self._timer.cancel()
        self.watch.close()

    def began_dialling(self, pair: _Pair) -> None:
        self.dialling[pair] = self._loop.time() + _CONNECT_S
        if self._timer is None:
            self._timer = self._loop.call_later(_CONNECT_S, self._give_up_dialling)

    def _give_up_dialling(self) -> None:
        now = self._loop.time()
        for pair in [pair for pair, at in self.dialling.items() if at <= now]:
            pair.time_out()
        self.watch.close_ended()
        self._timer = None
        if self.dialling:
            self._timer = self._loop.call_at(next(iter(self.dialling.values())), self._give_up_dialling)


class _Listener:
    def __init__(
        self, pump: Pump, fd: int, targets: Callable[[], Sequence[Address]], failed: Callable[[OSError], object]
    ) -> None:
        self._pump = pump
        self._fd = fd
        self._targets = targets
        self._failed = failed

    def ready(self, _mask: int) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            peer = accept(self._fd)
            if peer >= 0:
                self._pump.carry(peer, self._targets(), source=self._fd)
                continue
            code = errno()
            if code == EAGAIN:
                return
            if code != ECONNABORTED:
                self._pump.watch.remove(self._fd)
                self._failed(OSError(code, os.strerror(code)))
                return


class _Side:
    """One of the two sockets of a pair. `pending`: bytes from the other side that could not be sent yet."""

    __slots__ = ("_asks", "_pair", "_said_goodbye", "fd", "other", "over", "pending")

    other: _Side

    def __init__(self, pair: _Pair, fd: int) -> None:
        self._pair = pair
        self.fd = fd
        self.pending: memoryview | None = None
        self.over = False
        """Everything that this side sends has been read."""
        self._said_goodbye = False
        """The peer has shut down its direction: only buffered data is left to read."""
        self._asks = False
        """Whether this socket is watched for writability."""

    def ready(self, mask: int) -> None:
        if mask & EPOLLRDHUP:
            self._said_goodbye = True
        if mask & EPOLLERR and (self.over or self.other.pending is not None):
            self._pair.reset()
        elif mask & EPOLLOUT and self.pending is not None:
            self._send_pending()
            if mask & ~EPOLLOUT and self.fd >= 0:
                self.ready(mask & ~EPOLLOUT)
        elif not self.over and self.other.pending is None:
            self.read()

    def read(self) -> None:
        pair, other, buffer = self._pair, self.other, self._pair.pump.buffer
        for _ in range(_READS_A_TURN):
            count = recv(self.fd, buffer, _BUFFER, 0)
            if count > 0:
                sent = send(other.fd, buffer, count, _NO_SIGNAL)
                if sent < count:
                    other.send_later(buffer, sent, count)
                    return
                if count < _BUFFER and not self._said_goodbye:
                    return  # the buffer is drained; more data causes another edge
            elif count == 0:
                self.over = True
                if other.pending is None:
                    other.finish()
                return
            else:
                if errno() != EAGAIN:
                    pair.reset()
                return
        pair.pump.watch.call_again(self.fd)

    def send_later(self, buffer: int, sent: int, count: int) -> None:
        """Buffers those of `count` bytes that were not sent; `sent` is -1 if send failed."""
        if sent < 0:
            if errno() != EAGAIN:
                self._pair.reset()
                return
            sent = 0
        self.pending = memoryview(string_at(buffer + sent, count - sent))
        if not self._asks:
            self._asks = True
            self._pair.pump.watch.change(self.fd, self, WRITING)

    def _send_pending(self) -> None:
        assert self.pending is not None
        try:
            sent = os.write(self.fd, self.pending)
        except BlockingIOError:
            return
        except OSError:
            self._pair.reset()
            return
        if sent < len(self.pending):
            self.pending = self.pending[sent:]
            return
        self.pending = None
        if self.other.over:
            self.finish()
        else:
            self.other.read()

    def finish(self) -> None:
        """Shuts down this socket for writing after all data of the other side was sent; ends the pair if both are
        finished."""
        if self.over and self.other.pending is None:
            self._pair.end()
        elif shutdown(self.fd, _SHUT_WR) < 0:
            self._pair.reset()


class _Pair:
    __slots__ = ("_client", "_dialled", "_peer", "_server", "_targets", "pump", "source")

    def __init__(self, pump: Pump, peer: int, targets: Iterator[Address], source: int) -> None:
        self.pump = pump
        self.source = source
        """The descriptor or port on which the connection was accepted."""
        self._peer = peer
        self._targets = targets
        self._dialled = -1
        self._client: _Side | None = None
        self._server: _Side | None = None

    def dial(self) -> None:
        """Dials the next target; refuses the client if none is left."""
        for address in self._targets:
            family, raw = raw_address(address)
            fd = tcp_socket(family)
            if fd < 0:
                break
            # On one machine the connection is often established at once: the second call returns that.
            if connect(fd, raw) == 0 or (errno() == EINPROGRESS and connect(fd, raw) == 0) or errno() == EISCONN:
                self._join(fd)
                return
            if errno() in (EINPROGRESS, EALREADY):
                self.wait_for(fd)
                return
            close(fd)
        self._refuse()

    def wait_for(self, fd: int) -> None:
        """Waits for an attempt to connect."""
        self._dialled = fd
        self.pump.began_dialling(self)
        self.pump.watch.add(fd, self, WRITING)

    def time_out(self) -> None:
        self._stop_dialling()
        self.dial()

    def ready(self, mask: int) -> None:
        """Handles an event of the connecting socket."""
        if mask & _FAILED:
            self._stop_dialling()
            self.dial()
            return
        fd, self._dialled = self._dialled, -1
        del self.pump.dialling[self]
        self._join(fd, made_before=True)
        if mask & EPOLLIN and self._server is not None:
            self._server.ready(mask)

    def _stop_dialling(self) -> None:
        del self.pump.dialling[self]
        self.pump.watch.end(self._dialled)
        self._dialled = -1

    def _join(self, fd: int, *, made_before: bool = False) -> None:
        client, server = self._client, self._server = _Side(self, self._peer), _Side(self, fd)
        client.other, server.other = server, client
        watch = self.pump.watch
        send_at_once(fd)
        if made_before:
            watch.change(fd, server, READING)
        else:
            watch.add(fd, server, READING)
        watch.add(self._peer, client, READING)
        client.read()  # the request has often arrived by now

    def reset(self) -> None:
        """Ends both sides as a failure."""
        if self._client is None or self._server is None:
            self._stop_dialling()
            self._refuse()
            return
        reset_on_close(self._client.fd)
        reset_on_close(self._server.fd)
        self.end()

    def end(self) -> None:
        assert self._client is not None
        assert self._server is not None
        for side in (self._client, self._server):
            self.pump.watch.end(side.fd)
            side.fd = -1
        self._client = self._server = None
        self.pump.remove(self)

    def _refuse(self) -> None:
        self.pump.remove(self)
        _refuse(self._peer)


def refuse(sock: socket.socket) -> None:
    """Ends an accepted connection by a reset, the nearest thing to a refusal."""
    _refuse(_given(sock))


def _refuse(fd: int) -> None:
    reset_on_close(fd)
    close(fd)


def _given(sock: socket.socket) -> int:
    sock.setblocking(False)
    return sock.detach()
