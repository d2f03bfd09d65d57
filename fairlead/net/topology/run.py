"""Builds the fabric, the nodes and the Pods' links.

Needs CAP_NET_ADMIN over the namespaces: root of the user namespace that owns them has it, so an ordinary user suffices.
Links are never deleted one by one: the kernel deletes a namespace with all its links after its last descriptor is
closed and its last process has ended. (A deleted link blocks its caller for 30 ms, a closed namespace for 2 µs.)
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from functools import partial
from ipaddress import IPv4Address, IPv6Address

from fairlead.net import linux
from fairlead.net.model import POD_GATEWAY6, ClusterNetwork
from fairlead.net.netlink.model import delete_link
from fairlead.net.netlink.run import Netlink
from fairlead.net.topology import plan

_ROUTER_SETTINGS = (
    ("ip_forward", "1"),
    # The flag for all links and the flag of one link are or-ed, so the one for all must be off too.
    ("conf/all/send_redirects", "0"),
    ("conf/default/send_redirects", "0"),
    ("conf/all/rp_filter", "0"),
    ("conf/default/rp_filter", "0"),
    # ICMP errors to one address are limited to a burst of six and then one a second by default: a client of a UDP
    # Service without endpoints would wait instead of getting an error.
    ("icmp_ratelimit", "0"),
    # Another limit holds for all addresses together, a burst of 50 and 1,000 a second: a resolver waits five seconds
    # for an error that the limit drops. This mask lists the limited types; "destination unreachable" (3) is taken out.
    ("icmp_ratemask", str(0x1818 & ~(1 << 3))),
)
_SETTINGS6 = (
    # An address is usable at once: addresses are unique by plan, and duplicate address detection would lose a second's
    # packets.
    ("conf/all/accept_dad", "0"),
    ("conf/default/accept_dad", "0"),
    ("conf/all/accept_ra", "0"),
    ("conf/default/accept_ra", "0"),
)
_SETTINGS6_POD = (*_SETTINGS6, *((f"conf/{plan.POD_LINK}/{name}", "0") for name in ("accept_dad", "accept_ra")))
"""The link exists already, with the earlier default."""
_ROUTER_SETTINGS6 = (
    *_SETTINGS6,
    ("conf/all/forwarding", "1"),
    ("conf/default/forwarding", "1"),
    ("icmp/ratelimit", "0"),
    ("icmp/ratemask", "0,3-127"),
)

_BRIDGE_SETTINGS = tuple((f"bridge-nf-call-{tables}", "0") for tables in ("iptables", "ip6tables", "arptables"))
"""If the module is loaded (Docker loads it), frames between nodes would pass this namespace's rules and connection
tracking. Those have nothing to do with the frames, and cost a tenth more."""


def build_fabric(network: ClusterNetwork) -> None:
    """Makes the bridge that joins the nodes, in the caller's network namespace."""
    _apply_router_settings(six=network.six is not None)
    _apply(_BRIDGE_SETTINGS, "bridge")
    with Netlink() as netlink:
        netlink.execute(plan.fabric(network))


def add_node(network: ClusterNetwork, index: int, count: int) -> int:
    """Makes node `index` of `count` and returns its network namespace as a descriptor (close-on-exec).

    The caller is in the namespace of the fabric. The node exists as long as the descriptor is open or a process runs in
    it.
    """
    netns = new_node(six=network.six is not None)
    try:
        connect_node(network, netns, index, count)
    except OSError:
        os.close(netns)
        raise
    return netns


def new_node(*, six: bool) -> int:
    """Returns a new network namespace with a router's settings, without links, as a descriptor (close-on-exec)."""
    return linux.new_netns(partial(_apply_router_settings, six=six))[0]


def connect_node(network: ClusterNetwork, netns: int, index: int, count: int) -> None:
    """Connects the namespace of node `index` of `count` to the fabric, in whose namespace the caller is."""
    with linux.in_netns(netns, Netlink) as inside, Netlink() as outside:
        outside.execute(plan.node_link(index, netns))
        inside.execute(plan.node(network, index, count))
        outside.execute(plan.node_routes(network, index))
        inside.wait_running(plan.LEG)
        outside.wait_running(plan.node_leg(index))
        outside.wait_running(plan.FABRIC_INDEX)
        if network.six:
            inside.wait_local(network.six.node_ip(index), plan.LEG)
            outside.wait_local(network.six.gateway, plan.FABRIC_INDEX)


class PodAttacher:
    """Joins Pods to the node in which `netlink` was opened."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink

    def attach(
        self,
        netns: int,
        *,
        host_ifname: str,
        ip: IPv4Address | None = None,
        gateway: IPv4Address | None = None,
        ip6: IPv6Address | None = None,
    ) -> None:
        """Gives the namespace `netns` its address and a link to the node called `host_ifname`
        (`net.model.host_interface`). Raises OSError; partial results are deleted with the namespace."""
        at = plan.PodAddresses(ip, gateway, ip6)
        messages = plan.pod_link(host_ifname, netns, at)
        try:
            self._netlink.execute(messages)
        except OSError as e:
            if e.errno != errno.EEXIST:
                raise
            # The last Pod with this address has ended, but the kernel has not yet deleted its namespace.
            for leftover in (delete_link(index=plan.pod_link_index(at.first)), delete_link(host_ifname)):
                with contextlib.suppress(OSError):
                    self._netlink.execute([leftover])
            self._netlink.execute(messages)
        linux.in_netns(netns, lambda: _build_pod(at))
        link = plan.pod_link_index(at.first)
        self._netlink.wait_running(link)
        if at.ip6 is not None:
            self._netlink.wait_local(POD_GATEWAY6, link)

    def detach(self, host_ifname: str) -> None:
        """Deletes the link at once (blocks for some 30 ms). Not needed if the Pod's namespace is closed."""
        try:
            self._netlink.execute([delete_link(host_ifname)])
        except OSError as e:
            if e.errno != errno.ENODEV:
                raise


def _build_pod(at: plan.PodAddresses) -> None:
    if at.ip6:
        _apply(_SETTINGS6_POD, "ipv6")
    with Netlink() as inside:
        inside.execute(plan.pod(at))
        inside.wait_running(plan.LEG)
        if at.ip6 is not None:
            inside.wait_local(at.ip6, plan.LEG)
    _try_sysctl("ip_unprivileged_port_start", "0")
    # Group ids have to be mapped; an ordinary user's cluster has but one.
    if not _try_sysctl("ping_group_range", "0 65535"):
        _try_sysctl("ping_group_range", "0 0")


def _apply_router_settings(*, six: bool) -> None:
    """Applies a router's settings. If /proc/sys is read-only, IPv6 is not forwarded: netlink sets forwarding for IPv4
    only."""
    _apply(_ROUTER_SETTINGS)
    if six:
        _apply(_ROUTER_SETTINGS6, "ipv6")


def _apply(settings: Iterable[tuple[str, str]], family: str = "ipv4") -> None:
    for name, value in settings:
        _try_sysctl(name, value, family)


def _try_sysctl(name: str, value: str, family: str = "ipv4") -> bool:
    """Sets `net.<family>.<name>` in the current namespace. Returns False if /proc/sys is read-only (IPv4 forwarding
    does not depend on it: it is set link by link over netlink) or the value is refused."""
    try:
        linux.put(f"/proc/sys/net/{family}/{name}", value)
    except OSError:
        return False
    return True
