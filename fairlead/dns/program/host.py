"""Supervisor side of forwarding: opens sockets to the upstreams that `fairlead up --upstream` names.

The sandbox lists the upstreams and can choose only among these. This process sends no query, and reads the host's
resolv.conf only if a request arrives.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from fairlead.dns.config import HOST, split_upstream
from fairlead.dns.program.resolvconf import RESOLV_CONF, read_servers
from fairlead.net.hostsockets.answering import answer_one, not_permitted, start_connection
from fairlead.net.hostsockets.messages import Dial, ListServers, Request, Servers


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
        return answer_one(sock, self._answer)

    def _answer(self, request: Request) -> socket.socket | Servers:
        servers = self.servers()
        match request:
            case ListServers():
                return Servers(tuple(servers))
            case Dial(address, port, protocol):
                if (address, port) not in map(split_upstream, servers):
                    raise PermissionError(errno.EACCES, "not one of the upstreams")
                return start_connection(address, port, protocol)
            case _:
                raise not_permitted(request)
