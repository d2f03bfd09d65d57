"""Supervisor side of forwarding: opens sockets to the upstreams that `fairlead up --upstream` names.

One datagram a request over a SOCK_SEQPACKET pair: `{"ask": u, "seq": s, "tcp": bool}`, answered by `{"seq": s}` and a
socket that is connected, or connecting, to upstream u, or by `{"seq": s, "error": "..."}`. `{"list": true}` is
answered by the upstreams' names. The sandbox can choose only among these. This process sends no query, and reads
the host's resolv.conf only if a request arrives.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.dns.config import HOST, BadConfig, parse_upstreams, split_upstream

MAX_REQUEST = 4096
RESOLV_CONF = "/etc/resolv.conf"
_MOST_SERVERS = 3


class HostResolvers:
    """`upstreams` as `parse_upstreams` gives them; `host` among them stands for resolv.conf's name servers."""

    def __init__(self, upstreams: Sequence[str], *, resolv_conf: str = RESOLV_CONF) -> None:
        self._upstreams = tuple(upstreams)
        self._resolv_conf = resolv_conf

    def servers(self) -> list[str]:
        """Returns the present name servers, read again each time: a laptop changes its network."""
        servers: list[str] = []
        for upstream in self._upstreams:
            servers += read_servers(self._resolv_conf) if upstream == HOST else [upstream]
        return list(dict.fromkeys(servers))

    def handle_request(self, sock: socket.socket) -> bool:
        """Answers one pending request. Returns False if the other end has closed the socket."""
        try:
            request = sock.recv(MAX_REQUEST)
            if not request:
                return False
            self._answer(sock, request)
        except ConnectionError:
            return False
        except OSError:  # EAGAIN: the other end does not read; ETOOMANYREFS: too many sockets are under way
            pass
        return True

    def _answer(self, sock: socket.socket, request: bytes) -> None:
        tree = _parse(request)
        reply: dict[str, Any] = {"seq": tree.get("seq", 0)}
        servers = self.servers()
        if "list" in tree:
            _send(sock, reply | {"servers": servers})
            return
        if tree.get("ask") not in servers:
            _send(sock, reply | {"error": "not one of the upstreams"})
            return
        try:
            upstream = _connect(tree["ask"], tcp=tree.get("tcp") is True)
        except OSError as error:
            _send(sock, reply | {"error": error.strerror or str(error)})
            return
        with upstream:
            _send(sock, reply, upstream)


def _send(sock: socket.socket, reply: Mapping[str, Any], upstream: socket.socket | None = None) -> None:
    """Sends an answer, with a socket if there is one. Never waits, since the supervisor has other duties."""
    # Not socket.send_fds, which ignores flags (Python before 3.13).
    fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", upstream.fileno()))] if upstream is not None else []
    sock.sendmsg([json.dumps(reply).encode()], fds, socket.MSG_DONTWAIT)


def _parse(request: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(request)
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _connect(upstream: str, *, tcp: bool) -> socket.socket:
    address = split_upstream(upstream)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code not in (0, errno.EINPROGRESS):
        sock.close()
        raise OSError(code, os.strerror(code))
    return sock


def read_servers(path: str) -> list[str]:
    """Returns the first three name servers of a resolv.conf, as the C library does."""
    return [server for line in _lines(path, "nameserver") for server in _server(line)][:_MOST_SERVERS]


def read_searches(path: str) -> list[str]:
    """Returns the search domains of a resolv.conf."""
    lists = [line.split()[1:] for line in _lines(path, "search", "domain")]
    return [name for name in lists[-1] if name != "."] if lists else []


def _server(line: str) -> Sequence[str]:
    try:
        return parse_upstreams("nameserver", "".join(line.split()[1:2]).partition("%")[0])
    except BadConfig:
        return ()


def _lines(path: str, *keywords: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line for line in file if line.split()[:1] and line.split()[0] in keywords]
    except OSError:
        return []
