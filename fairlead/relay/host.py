"""The supervisor's side: opens listening sockets on the host's loopback for the relay, and does nothing else.

One datagram a request over a SOCK_SEQPACKET pair: `{"listen": port}`, answered by `{"listen": port}` and the socket,
or by `{"listen": port, "error": "..."}`. The relay stops listening by closing its copy; none is kept here. The sandbox
is trusted no further than that: it cannot name an address, and ports below 1024 are refused even to root's clusters.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

LOOPBACK = "127.0.0.1"
FIRST_PORT = 1024
MAX_REQUEST = 4096
_BACKLOG = 512


def handle_request(sock: socket.socket) -> bool:
    """Answers one request that is there to be read. False where the other end is gone."""
    try:
        request = sock.recv(MAX_REQUEST)
        if not request:
            return False
        _answer(sock, request)
    except ConnectionError:
        return False
    return True


def _answer(sock: socket.socket, request: bytes) -> None:
    port = _port_of(request)
    reply: dict[str, Any] = {"listen": port}
    if not FIRST_PORT <= port <= 65535:
        sock.send(json.dumps(reply | {"error": f"port {port} is not between {FIRST_PORT} and 65535"}).encode())
        return
    try:
        listener = socket.create_server((LOOPBACK, port), backlog=_BACKLOG)
    except OSError as e:
        sock.send(json.dumps(reply | {"error": os.strerror(e.errno) if e.errno else str(e)}).encode())
        return
    with listener:
        listener.setblocking(False)
        socket.send_fds(sock, [json.dumps(reply).encode()], [listener.fileno()])


def _port_of(request: bytes) -> int:
    """The port asked for; 0 where the request makes no sense."""
    try:
        port = json.loads(request)["listen"]
    except (ValueError, KeyError, TypeError):
        return 0
    return port if isinstance(port, int) else 0
