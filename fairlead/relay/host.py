"""Supervisor side of the relay: opens sockets on the host's loopback, and does nothing else.

`{"id": n, "connect": port, "protocol": "TCP"}` asks for a connection to a port of the host that the user has
exposed (with UDP: for a socket that sends there). With `"address"` beside it, another machine is meant, and the
`EgressPolicy` decides; without a policy nothing is dialled.

One datagram a request over a SOCK_SEQPACKET pair: `{"id": n, "listen": port, "protocol": "TCP"}`, answered by
`{"id": n, "listen": port}` and the socket, or by `{"id": n, "error": "..."}`. Port 0 means any free port. The relay
stops listening by closing its copy; the supervisor keeps none. The sandbox is trusted no further: on the host it cannot
name an address, and for ports below 1024 the kernel decides by the user who started the cluster.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.relay.egresspolicy import EgressPolicy

LOOPBACK = "127.0.0.1"
MAX_REQUEST = 4096
_BACKLOG = 4096
_CONNECT, _LISTEN = "connect", "listen"
Exposed = Collection[tuple[str, int]]
"""Protocols (TCP, UDP) and ports."""

_DATAGRAM_BUFFER = 1024 * 1024


def handle_request(sock: socket.socket, *, exposed: Exposed = (), egress: EgressPolicy | None = None) -> bool:
    """Answers one pending request. Returns False if the other end has closed the socket. Without `egress` nothing
    outside of this machine is dialled."""
    try:
        request = sock.recv(MAX_REQUEST)
        if not request:
            return False
        _answer(sock, request, exposed, egress)
    except ConnectionError:
        return False
    except OSError:  # EAGAIN: the other end does not read; ETOOMANYREFS: too many sockets are under way
        pass  # without an answer the relay gives up after some seconds; the supervisor goes on
    return True


def _answer(sock: socket.socket, request: bytes, exposed: Exposed, egress: EgressPolicy | None) -> None:
    verb, number, port, protocol = _parse(request)
    reply: dict[str, Any] = {"id": number}
    if not 0 <= port <= 65535:
        _send(sock, reply | {"error": "invalid port"})
        return
    if verb == _CONNECT and (address := _address(request)):
        _answer_egress(sock, reply, (address, port), protocol, egress)
        return
    if verb == _CONNECT and (protocol, port) not in exposed:
        _send(sock, reply | {"error": f"port {port}/{protocol} is not exposed"})
        return
    try:
        opened = _dial(port, protocol) if verb == _CONNECT else _open(port, protocol)
    except OSError as e:
        _send(sock, reply | {"error": _explain(e, port)})
        return
    with opened:
        opened.setblocking(False)
        reply["listen"] = opened.getsockname()[1] if verb != _CONNECT else 0
        _send(sock, reply, opened)


def _send(sock: socket.socket, reply: Mapping[str, Any], opened: socket.socket | None = None) -> None:
    """Sends an answer, with a socket if there is one. Never waits, since the supervisor has other duties."""
    # Not socket.send_fds, which ignores flags (Python before 3.13).
    fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", opened.fileno()))] if opened is not None else []
    sock.sendmsg([json.dumps(reply).encode()], fds, socket.MSG_DONTWAIT)


def _answer_egress(
    sock: socket.socket, reply: dict[str, Any], to: tuple[str, int], protocol: str, egress: EgressPolicy | None
) -> None:
    try:
        if egress is None:
            raise PermissionError(errno.EACCES, "the cluster was started without --egress")
        opened = _dial(to[1], protocol, str(egress.check(to[0])))
    except OSError as e:
        _send(sock, reply | {"error": e.strerror or str(e)})
        return
    with opened:
        _send(sock, reply, opened)


def _address(request: bytes) -> str:
    """Returns the address outside that a request names; empty if it names none."""
    address = json.loads(request).get("address", "")
    return address if isinstance(address, str) else "?"


def _open(port: int, protocol: str) -> socket.socket:
    if protocol == "TCP":
        return socket.create_server((LOOPBACK, port), backlog=_BACKLOG)
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _DATAGRAM_BUFFER)
        opened.bind((LOOPBACK, port))
    except OSError:
        opened.close()
        raise
    return opened


def _dial(port: int, protocol: str, address: str = LOOPBACK) -> socket.socket:
    """Starts a connection without waiting for it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM)
    opened.setblocking(False)
    code = opened.connect_ex((address, port))
    if code not in (0, errno.EINPROGRESS):
        opened.close()
        raise OSError(code, os.strerror(code))
    return opened


def _explain(error: OSError, port: int) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} needs root here (net.ipv4.ip_unprivileged_port_start is the first port that does not)"
    return os.strerror(error.errno) if error.errno else str(error)


def _parse(request: bytes) -> tuple[str, int, int, str]:
    """Returns verb, number, port and protocol; port -1 if the request is malformed."""
    try:
        tree = json.loads(request)
        verb = _CONNECT if _CONNECT in tree else _LISTEN
        number, port, protocol = tree["id"], tree[verb], tree["protocol"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", 0, -1, ""
    if not isinstance(number, int) or not isinstance(port, int) or protocol not in ("TCP", "UDP"):
        return "", 0, -1, ""
    return verb, number, port, protocol
