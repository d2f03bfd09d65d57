"""System calls on bare descriptors: besides the kernel's work, their number is the cost of a short connection.

A `socket` object asks the kernel for the socket's address at creation and raises an exception (1 µs) if there is
nothing to read; `os.read` allocates the whole buffer. Here one function is one system call, and a negative result
means `errno()`. No call waits: every descriptor created here is non-blocking.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Address = tuple[str, int]
"""Host (a number, of either family) and port."""

_LIBC = ctypes.PyDLL(None, use_errno=True)
_INT, _POINTER, _SIZE, _BYTES = ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
_FLAGS = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_RESET_ON_CLOSE = struct.pack("=ii", 1, 0)
_YES = struct.pack("=i", 1)

errno: Callable[[], int] = ctypes.get_errno


def _call(name: str, result: type, *arguments: type) -> Any:
    function = _LIBC[name]
    function.restype, function.argtypes = result, arguments
    return function


recv: Callable[[int, int, int, int], int] = _call("recv", ctypes.c_ssize_t, _INT, _POINTER, _SIZE, _INT)
"""Descriptor, address of a buffer, its size, flags."""
send: Callable[[int, int, int, int], int] = _call("send", ctypes.c_ssize_t, _INT, _POINTER, _SIZE, _INT)
shutdown: Callable[[int, int], int] = _call("shutdown", _INT, _INT, _INT)
_accept4: Callable[[int, None, None, int], int] = _call("accept4", _INT, _INT, _POINTER, _POINTER, _INT)
_socket: Callable[[int, int, int], int] = _call("socket", _INT, _INT, _INT, _INT)
_connect: Callable[[int, bytes, int], int] = _call("connect", _INT, _INT, _BYTES, _INT)
_setsockopt: Callable[[int, int, int, bytes, int], int] = _call("setsockopt", _INT, _INT, _INT, _INT, _BYTES, _INT)


def accept(listener: int) -> int:
    return _accept4(listener, None, None, _FLAGS)


def tcp_socket(family: int) -> int:
    return _socket(family, socket.SOCK_STREAM | _FLAGS, 0)


def connect(fd: int, raw: bytes) -> int:
    """Connects to a result of `raw_address`. On one machine a second call often finds the connection established."""
    return _connect(fd, raw, len(raw))


def send_at_once(fd: int) -> None:
    """Sets TCP_NODELAY: sends without waiting for earlier acknowledgements (RFC 896). Connections inherit it from
    the listener."""
    _setsockopt(fd, socket.IPPROTO_TCP, socket.TCP_NODELAY, _YES, 4)


def reset_on_close(fd: int) -> None:
    _setsockopt(fd, socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE, 8)


@lru_cache(maxsize=1024)
def raw_address(address: Address) -> tuple[int, bytes]:
    """Returns the family and the packed sockaddr_in or sockaddr_in6."""
    host, port = address
    if ":" in host:
        packed = socket.inet_pton(socket.AF_INET6, host)
        return socket.AF_INET6, struct.pack("=H", socket.AF_INET6) + struct.pack(">HI16sI", port, 0, packed, 0)
    packed = socket.inet_pton(socket.AF_INET, host)
    return socket.AF_INET, struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", port, packed)
