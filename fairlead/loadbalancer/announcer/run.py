"""The node's leg on the fabric: addresses over netlink, frames over a packet socket."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterable
from ipaddress import ip_address

from fairlead.loadbalancer.announcer.model import (
    ETHERTYPE,
    Call,
    announcement,
    drop_address,
    heartbeat,
    hold_address,
    parse_heartbeat,
)
from fairlead.loadbalancer.announcer.plan import Surroundings
from fairlead.net.netlink.dump import GET_ADDRESSES, parse_address
from fairlead.net.netlink.run import Netlink

_FRAMES_AT_ONCE = 64


def surroundings(name: str) -> Surroundings:
    """Of a link of this machine, by the addresses that it has itself. Raises OSError."""
    index = socket.if_nametoindex(name)
    with Netlink() as netlink:
        held = [found for raw in netlink.dump(GET_ADDRESSES) if (found := parse_address(*raw))]
    # An address of load balancers is one without a network; perhaps this process held it before it was started again.
    own = [h for h in held if h.network.prefixlen < h.network.max_prefixlen]
    networks = [h.network for h in own if h.link == index and not h.address.is_link_local]
    others = frozenset(str(h.address) for h in held if h not in own and h.link == index)
    return Surroundings(tuple(networks), frozenset(str(h.address) for h in own), others)


class Leg:
    """Open it in the node's network namespace. `group` is the cluster's, where several may be on the link. Raises
    OSError."""

    def __init__(self, name: str, group: str = "") -> None:
        self._name = name
        self._group = group
        self._index = socket.if_nametoindex(name)
        self._netlink = Netlink()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._socket.bind((name, ETHERTYPE))
        self._mac: bytes = self._socket.getsockname()[4]

    def fileno(self) -> int:
        """Readable when there is something to `hear`."""
        return self._socket.fileno()

    def hear(self) -> list[Call]:
        """What other nodes have called."""
        calls = []
        for _ in range(_FRAMES_AT_ONCE):
            try:
                frame = self._socket.recv(2048)
            except OSError:  # nothing more, or the link was down for a moment
                break
            if call := parse_heartbeat(frame, self._group):
                calls.append(call)
        return calls

    def call(self, call: Call) -> None:
        self._send(heartbeat(self._mac, call, self._group), ETHERTYPE)

    def hold(self, addresses: Iterable[str], lifetime_s: int) -> None:
        self._netlink.run([hold_address(self._index, ip_address(a), lifetime_s) for a in addresses])

    def drop(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            try:
                self._netlink.run([drop_address(self._index, ip_address(address))])
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:  # its time had run out
                    raise

    def tell(self, addresses: Iterable[str]) -> None:
        """Everybody on the link, where the addresses are now."""
        for address in addresses:
            kind, frame = announcement(self._mac, ip_address(address))
            self._send(frame, kind)

    def close(self) -> None:
        self._socket.close()
        self._netlink.close()

    def _send(self, frame: bytes, kind: int) -> None:
        with contextlib.suppress(OSError):  # a lost frame is made up for by the next one
            self._socket.sendto(frame, (self._name, kind))
