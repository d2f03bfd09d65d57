"""Reads the host's network and joins a cluster to it. Needs root's rights over the host's network namespace."""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from fairlead.net import linux
from fairlead.net.hostlink import plan
from fairlead.net.hostlink.plan import HostLink, HostView
from fairlead.net.model import ClusterNetwork
from fairlead.net.netlink.dump import GET_ADDRESSES, GET_ROUTES, parse_address, parse_route
from fairlead.net.netlink.model import add_veth, delete_link
from fairlead.net.netlink.run import Netlink


def read_host() -> HostView:
    """Reads the network namespace of the caller. Raises OSError."""
    with Netlink() as netlink:
        routes = [route for raw in netlink.dump(GET_ROUTES) if (route := parse_route(*raw))]
        held = [address for raw in netlink.dump(GET_ADDRESSES) if (address := parse_address(*raw))]
    return HostView(routes, held, dict(socket.if_nameindex()))


def attach(link: HostLink, network: ClusterNetwork, pid: int) -> None:
    """Makes the veth pair, with the host's end in the caller's namespace and the other end in that of process `pid`;
    gives the host's end its address and routes. Raises OSError after removing partial results."""
    netns = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Netlink() as netlink:
            # The kernel chooses both indices: it honours the peer's only if this end's is given.
            pair = add_veth(link.name, 0, peer_name=plan.INSIDE_NAME, peer_index=0, peer_netns=netns)
            netlink.execute([pair])
            try:
                _accept_nothing_new(link.name)
                netlink.execute(plan.host_messages(link, network, socket.if_nametoindex(link.name)))
            except OSError:
                _remove(netlink, link.name)
                raise
    finally:
        os.close(netns)


def attach_inside(link: HostLink) -> None:
    """Configures the end in the namespace of the fabric, after `attach`."""
    with Netlink() as netlink:
        netlink.execute(plan.fabric_messages(link, socket.if_nametoindex(plan.INSIDE_NAME)))


def detach(link: HostLink) -> None:
    """Removes both ends at once, if the kernel has not removed them yet."""
    with Netlink() as netlink:
        _remove(netlink, link.name)


def _remove(netlink: Netlink, name: str) -> None:
    try:
        netlink.execute([delete_link(name)])
    except OSError as e:
        if e.errno != errno.ENODEV:
            raise


def _accept_nothing_new(name: str) -> None:
    """Rejects IPv6 autoconfiguration from the link and the forwarding of its packets: netlink sets the latter for IPv4
    only."""
    for setting in ("accept_ra", "forwarding"):
        with contextlib.suppress(OSError):
            linux.put(f"/proc/sys/net/ipv6/conf/{name}/{setting}", "0")
