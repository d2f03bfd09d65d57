"""Sends and receives many datagrams by one system call: recvmmsg(2) and sendmmsg(2) of libc, which Python lacks.

A slot holds a query and then its answer: both start with the same bytes, so the question is never copied. Peer
addresses stay in the kernel's form, which saves a quarter of the time of `recvfrom` and `sendto` (docs/measurements.md,
5). Costs 0.4 MB for ctypes, and a page for each slot in use.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import socket
import sys
from array import array
from collections.abc import Sequence

SLOTS = 64
SLOT = 2048
"""Bytes: more than any answer over UDP has. A longer query is cut to this size and is then malformed."""
STARTS = tuple(range(0, SLOTS * SLOT, SLOT))

_NAME = 32
_NAME_SIZES = {socket.AF_INET: 16, socket.AF_INET6: 28}
_libc = ctypes.CDLL(None, use_errno=True)
_recvmmsg, _sendmmsg = _libc.recvmmsg, _libc.sendmmsg
_recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


def give_back_memory() -> None:
    """Returns malloc's free memory to the system. Worth its price once, after the first lists."""
    _libc.malloc_trim(0)


class _Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Head(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint),
        ("vectors", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("head", _Head), ("length", ctypes.c_uint))


class Batch:
    """The slots of one UDP socket. `memory` holds the slots one after the other; a slice of `memory` is bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.memory = mmap.mmap(-1, SLOTS * SLOT)
        self._names = mmap.mmap(-1, SLOTS * _NAME)
        base, names = (ctypes.addressof(ctypes.c_char.from_buffer(m)) for m in (self.memory, self._names))
        vectors_in, self._vectors_out = (_Vector * SLOTS)(), (_Vector * SLOTS)()
        self._messages_in, self._messages_out = (_Message * SLOTS)(), (_Message * SLOTS)()
        for vectors, messages in ((vectors_in, self._messages_in), (self._vectors_out, self._messages_out)):
            for n, start in enumerate(STARTS):
                vectors[n] = _Vector(base + start, SLOT)
                vector = ctypes.addressof(vectors) + n * ctypes.sizeof(_Vector)
                messages[n] = _Message(_Head(names + n * _NAME, _NAME_SIZES[sock.family], vector, 1))
        self._kept = vectors_in  # keeps the memory alive: the kernel reads it
        at, step = _Message.length.offset // 4, ctypes.sizeof(_Message) // 4
        self._lengths = memoryview(self._messages_in).cast("B").cast("I")[at::step]
        self._sizes = memoryview(self._vectors_out).cast("B").cast("L")[1::2]
        self._in, self._out = ctypes.addressof(self._messages_in), ctypes.addressof(self._messages_out)

    def receive(self) -> list[int]:
        """Receives datagrams and returns their lengths in the order of the slots; empty if none is waiting."""
        count = _recvmmsg(self._sock.fileno(), self._in, SLOTS, socket.MSG_DONTWAIT, None)
        return self._lengths[:count].tolist() if count > 0 else []

    def send(self, first: int, sizes: Sequence[int]) -> None:
        """Sends `sizes` bytes from each slot, starting with slot `first`, to the slot's peer. A datagram that
        cannot be sent (port 0, host unreachable) is skipped. If the send buffer is full, the rest is dropped: the
        client asks again."""
        end = first + len(sizes)
        self._sizes[first:end] = memoryview(array("L", sizes))
        fd, size = self._sock.fileno(), ctypes.sizeof(_Message)
        while first < end:
            sent = _sendmmsg(fd, self._out + first * size, end - first, socket.MSG_DONTWAIT)
            if sent < 0 and ctypes.get_errno() in (errno.EAGAIN, errno.EBADF):
                return
            first += max(1, sent)

    def peer(self, slot: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """Returns the peer's address in the form of `socket.sendto`."""
        raw = self._names[slot * _NAME : (slot + 1) * _NAME]
        port = int.from_bytes(raw[2:4], "big")
        if self._sock.family == socket.AF_INET:
            return socket.inet_ntop(socket.AF_INET, raw[4:8]), port
        scope = int.from_bytes(raw[24:28], sys.byteorder)
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), port, 0, scope
