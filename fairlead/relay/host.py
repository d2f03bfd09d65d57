"""Supervisor side of the relay: opens sockets on the host's loopback, and does nothing else.

The relay listens on ports of the host's 127.0.0.1, connects to those that the user has exposed, and dials other
machines if the `EgressPolicy` permits the address; without a policy nothing is dialled. The relay stops listening by
closing its copy of the socket. The sandbox is trusted no further: on the host it cannot name an address, and for ports
below 1024 the kernel decides by the user who started the cluster.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Collection
from typing import TYPE_CHECKING

from fairlead.net.hostsockets.answering import LOOPBACK, answer_one, not_permitted, start_connection
from fairlead.net.hostsockets.messages import Connect, Dial, Listen, Request

if TYPE_CHECKING:
    from fairlead.relay.egresspolicy import EgressPolicy

_BACKLOG = 4096
Exposed = Collection[tuple[str, int]]
"""Protocols (TCP, UDP) and ports."""

_DATAGRAM_BUFFER = 1024 * 1024


def handle_request(sock: socket.socket, *, exposed: Exposed = (), egress: EgressPolicy | None = None) -> bool:
    """Answers one pending request. Returns False if the other end has closed the socket. Without `egress` nothing
    outside of this machine is dialled."""
    return answer_one(sock, lambda request: _open(request, exposed, egress))


def _open(request: Request, exposed: Exposed, egress: EgressPolicy | None) -> socket.socket:
    match request:
        case Listen():
            return _listen(request)
        case Connect(port, protocol):
            if (protocol, port) not in exposed:
                raise PermissionError(errno.EACCES, f"port {port}/{protocol} is not exposed")
            return start_connection(LOOPBACK, port, protocol)
        case Dial(address, port, protocol):
            if egress is None:
                raise PermissionError(errno.EACCES, "the cluster was started without --egress")
            return start_connection(str(egress.check(address)), port, protocol)
        case _:
            raise not_permitted(request)


def _listen(request: Listen) -> socket.socket:
    try:
        return _stream(request.port) if request.protocol == "TCP" else _datagrams(request.port)
    except OSError as e:
        raise OSError(e.errno, _explain(e, request.port)) from e


def _stream(port: int) -> socket.socket:
    return socket.create_server((LOOPBACK, port), backlog=_BACKLOG)


def _datagrams(port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _DATAGRAM_BUFFER)
        opened.bind((LOOPBACK, port))
    except OSError:
        opened.close()
        raise
    return opened


def _explain(error: OSError, port: int) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} needs root here (net.ipv4.ip_unprivileged_port_start is the first port that does not)"
    return os.strerror(error.errno) if error.errno else str(error)
