"""The node's link to the fabric: addresses over netlink, frames over a packet socket."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterable
from ipaddress import ip_address

from fairlead.loadbalancer.announcer.model import (
    ETHERTYPE,
    Call,
    add_address,
    announcement,
    delete_address,
    heartbeat,
    parse_heartbeat,
)
from fairlead.loadbalancer.announcer.plan import Link
from fairlead.net.netlink.dump import GET_ADDRESSES, parse_address
from fairlead.net.netlink.run import Netlink

_FRAMES_AT_ONCE = 64


def read_link(name: str) -> Link:
    """Returns a link of this machine with its present addresses. Raises OSError."""
    index = socket.if_nametoindex(name)
    with Netlink() as netlink:
        addresses = [parsed for raw in netlink.dump(GET_ADDRESSES) if (parsed := parse_address(*raw))]
    # An address with a full-length prefix belongs to a load balancer: perhaps of this process before its restart.
    own = [h for h in addresses if h.network.prefixlen < h.network.max_prefixlen]
    networks = [h.network for h in own if h.link == index and not h.address.is_link_local]
    others = frozenset(str(h.address) for h in addresses if h not in own and h.link == index)
    return Link(tuple(networks), frozenset(str(h.address) for h in own), others)


class Leg:
    """One link. Open it in the node's network namespace. `group` names the cluster if several share the link.
    Raises OSError."""

    def __init__(self, name: str, group: str = "") -> None:
        self._name = name
        self._group = group
        self._index = socket.if_nametoindex(name)
        self._netlink = Netlink()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._socket.bind((name, ETHERTYPE))
        self._mac: bytes = self._socket.getsockname()[4]

    def fileno(self) -> int:
        """Returns a descriptor that is readable if a call is pending."""
        return self._socket.fileno()

    def receive(self) -> list[Call]:
        """Returns the pending calls of other nodes."""
        calls = []
        for _ in range(_FRAMES_AT_ONCE):
            try:
                frame = self._socket.recv(2048)
            except OSError:  # nothing more, or the link was briefly down
                break
            if call := parse_heartbeat(frame, self._group):
                calls.append(call)
        return calls

    def call(self, call: Call) -> None:
        self._send(heartbeat(self._mac, call, self._group), ETHERTYPE)

    def add(self, addresses: Iterable[str], lifetime_s: int) -> None:
        self._netlink.execute([add_address(self._index, ip_address(a), lifetime_s) for a in addresses])

    def delete(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            try:
                self._netlink.execute([delete_address(self._index, ip_address(address))])
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:  # its lifetime had ended
                    raise

    def announce(self, addresses: Iterable[str]) -> None:
        """Announces the addresses to all hosts on the link."""
        for address in addresses:
            kind, frame = announcement(self._mac, ip_address(address))
            self._send(frame, kind)

    def close(self) -> None:
        self._socket.close()
        self._netlink.close()

    def _send(self, frame: bytes, kind: int) -> None:
        with contextlib.suppress(OSError):  # the next frame makes up for a lost one
            self._socket.sendto(frame, (self._name, kind))
