"""Copies a connection's bytes both ways, with half-close: what one side has finished is finished on the other side.

Buffered protocols on asyncio's own loop carry 8 to 12 Gbit/s (facts, section 4.5); a thread for each connection or
splice gained nothing. Not for uvloop: it does not heed `pause_reading` before the first read, and loses what is written
from within `connection_made`.
"""

from __future__ import annotations

import asyncio
import socket
import struct

_BUFFER = 256 * 1024
_HIGH_WATER = 1024 * 1024
_RESET_ON_CLOSE = struct.pack("=ii", 1, 0)


class CopyBuffer:
    """One for each event loop: filled and emptied before another connection's turn."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_BUFFER))


class _End(asyncio.BufferedProtocol):
    """One of the two ends; what it reads goes to its peer."""

    peer: _End

    def __init__(self, buffer: CopyBuffer) -> None:
        self._buffer = buffer
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        """Came from the peer before this end was up."""
        self._finished = False
        """Reads no more: the other side has sent all."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        early, self._early = self._early, []
        for data in early:
            self._send(data)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        self.peer._send(bytes(self._buffer.view[:nbytes]))

    def eof_received(self) -> bool:
        self._finished = True
        self.peer._send(b"")
        if self.peer._finished:
            self._close()
            self.peer._close()
        return True

    def pause_writing(self) -> None:
        if self.peer._transport and not self.peer._finished:
            self.peer._transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer._transport and not self.peer._finished:
            self.peer._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.peer._close()
        else:
            self.peer.reset()

    def reset(self) -> None:
        """Ends the connection as a failure, so that nobody takes what came for all there was."""
        if self._transport is None or self._transport.is_closing():
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def _send(self, data: bytes) -> None:
        """Empty data: there will be no more."""
        if self._transport is None:
            self._early.append(data)
        elif self._transport.is_closing():
            return
        elif data:
            self._transport.write(data)
        elif self._transport.can_write_eof():
            self._transport.write_eof()

    def _close(self) -> None:
        if self._transport:
            self._transport.close()


async def join(first: socket.socket, second: socket.socket, buffer: CopyBuffer) -> None:
    """Joins two connected sockets; returns as soon as they are joined. Owns both."""
    loop = asyncio.get_running_loop()
    one, two = _End(buffer), _End(buffer)
    one.peer, two.peer = two, one
    try:
        await loop.connect_accepted_socket(lambda: one, first)
        await loop.connect_accepted_socket(lambda: two, second)
    except OSError:
        for end, sock in ((one, first), (two, second)):
            end.reset()
            sock.close()
        raise


def refuse(sock: socket.socket) -> None:
    """Ends an accepted connection by a reset, which is the nearest thing to having refused it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    sock.close()
