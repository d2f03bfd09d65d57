"""Answers requests for sockets on the host, in the supervisor. It decides nothing: `decide` does.

What must stay true: the supervisor never waits and never fails because of what the sandbox sends or does not read. It
closes its own copy of each socket, so a socket ends when the sandbox closes it.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable

from fairlead.net.hostsockets.messages import (
    MAX_BYTES,
    MessageError,
    Opened,
    Protocol,
    Refused,
    Reply,
    Request,
    Servers,
    pack,
    unpack,
)

LOOPBACK = "127.0.0.1"

Decide = Callable[[Request], "socket.socket | Servers"]
"""Returns what was asked for. Raises OSError, whose text the sandbox receives."""


def answer_one(sock: socket.socket, decide: Decide) -> bool:
    """Answers one pending request. Returns False if the other end has closed the socket."""
    try:
        data = sock.recv(MAX_BYTES)
        if not data:
            return False
        _answer(sock, data, decide)
    except ConnectionError:
        return False
    except OSError:  # EAGAIN: the other end does not read; ETOOMANYREFS: too many sockets are under way
        pass  # without an answer the client gives up after some seconds; the supervisor goes on
    return True


def _answer(sock: socket.socket, data: bytes, decide: Decide) -> None:
    try:
        packet = unpack(data)
    except MessageError as e:
        _send(sock, 0, Refused(str(e)))
        return
    try:
        if not isinstance(packet.message, Request):
            raise PermissionError(errno.EPERM, "not a request")
        result = decide(packet.message)
    except OSError as e:
        _send(sock, packet.number, Refused(e.strerror or str(e)))
        return
    if isinstance(result, Servers):
        _send(sock, packet.number, result)
        return
    with result:
        result.setblocking(False)
        _send(sock, packet.number, Opened(result.getsockname()[1]), result)


def not_permitted(request: Request) -> PermissionError:
    """Returns the refusal of a request of another program."""
    return PermissionError(errno.EPERM, f"{type(request).__name__} is not permitted here")


def start_connection(address: str, port: int, protocol: Protocol) -> socket.socket:
    """Starts a connection without waiting for it. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM)
    opened.setblocking(False)
    code = opened.connect_ex((address, port))
    if code not in (0, errno.EINPROGRESS):
        opened.close()
        raise OSError(code, os.strerror(code))
    return opened


def _send(sock: socket.socket, number: int, reply: Reply, opened: socket.socket | None = None) -> None:
    """Sends a reply, with a socket if there is one. Never waits, since the supervisor has other duties."""
    # Not socket.send_fds, which ignores flags (Python before 3.13).
    fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", opened.fileno()))] if opened is not None else []
    sock.sendmsg([pack(number, reply)], fds, socket.MSG_DONTWAIT)
