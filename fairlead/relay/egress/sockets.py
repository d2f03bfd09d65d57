"""Transparent sockets: they accept packets to any address, and may send from any address (ip(7), IP_TRANSPARENT)."""

from __future__ import annotations

import socket
import struct

_IP_TRANSPARENT, _IP_RECVORIGDSTADDR = 19, 20
_IPV6_RECVORIGDSTADDR, _IPV6_TRANSPARENT = 74, 75
_BACKLOG = 512
_LEVELS = {
    socket.AF_INET: (socket.IPPROTO_IP, _IP_TRANSPARENT, _IP_RECVORIGDSTADDR),
    socket.AF_INET6: (socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, _IPV6_RECVORIGDSTADDR),
}
_ANCILLARY = socket.CMSG_SPACE(28)
LONGEST = 65535


def listening(family: socket.AddressFamily, port: int = 0) -> socket.socket:
    """Returns a listening TCP socket (port 0: any free port). Raises OSError."""
    sock = _transparent(family, socket.SOCK_STREAM)
    try:
        sock.bind(("", port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def receiving(family: socket.AddressFamily, port: int = 0) -> socket.socket:
    """Returns a UDP socket that also receives the destination of each datagram. Raises OSError."""
    sock = _transparent(family, socket.SOCK_DGRAM)
    try:
        level, _, wants_destination = _LEVELS[family]
        sock.setsockopt(level, wants_destination, 1)
        sock.bind(("", port))
    except OSError:
        sock.close()
        raise
    return sock


def sending_from(address: tuple[str, int]) -> socket.socket:
    """Returns a UDP socket whose datagrams come from a foreign address. Raises OSError."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = _transparent(family, socket.SOCK_DGRAM)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def receive(sock: socket.socket) -> tuple[bytes, tuple[str, int], tuple[str, int]]:
    """Returns a datagram, its sender and its destination. Raises BlockingIOError, OSError."""
    data, ancillary, _, sender = sock.recvmsg(LONGEST, _ANCILLARY)
    for _, kind, raw in ancillary:
        if kind == _IP_RECVORIGDSTADDR:
            port, packed = struct.unpack_from("!2xH4s", raw)
            return data, sender[:2], (socket.inet_ntop(socket.AF_INET, packed), port)
        if kind == _IPV6_RECVORIGDSTADDR:
            port, packed = struct.unpack_from("!2xH4x16s", raw)
            return data, sender[:2], (socket.inet_ntop(socket.AF_INET6, packed), port)
    raise OSError("a datagram without its destination")


def _transparent(family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    level, transparent, _ = _LEVELS[family]
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(level, transparent, 1)
    except OSError:
        sock.close()
        raise
    return sock
