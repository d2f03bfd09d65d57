"""The plan that joins the host and a cluster: a veth pair with an address at each end, and the host's routes into the
cluster.

What must stay true: the host keeps every route and address that it has, even parts of a wider route (a default route
aside). The cluster gets a route to the host's end of the link and to nothing else, so it still has no way out. The host
does not forward packets that come out of the link, whatever it forwards for others.

Rejected: the host's end as a port of the cluster's bridge. It saves a hop, but then no netfilter hook between the host
and the nodes could tell answers from new connections of the cluster, and every program of the host that listens at all
addresses would be open to Pods.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from itertools import islice

from fairlead.base.dataclass import dataclass
from fairlead.net.model import ClusterNetwork
from fairlead.net.netlink.dump import LinkAddress, Network, Route
from fairlead.net.netlink.model import Message, add_address, add_route, set_routing, set_up

INSIDE_NAME = "host0"
"""The name of the cluster's end, in the namespace of the fabric."""
GUARD_TABLE = "fairlead-host"

_POOLS = (IPv4Network("169.254.172.0/24"), IPv4Network("172.30.255.0/24"))
"""Pools for the pair of addresses. Link-local comes first: other networks do not route it."""
_POOL6 = IPv6Network("fd00:172:30:ff::/64")
_MOST_PAIRS6 = 128
_LONGEST_NAME = 15
_PREFIX = "fl-"
_DEFAULTS = 1
"""Routes of this prefix length or shorter count as default routes (VPNs halve the default route)."""
_AF_INET = 2
_IFLA_AF_SPEC, _NESTED, _IFLA_INET_CONF, _CONF_FORWARDING = 26, 0x8000, 1, 1
_IFLA_IFALIAS, _NEWLINK = 20, 16


@dataclass(frozen=True, slots=True)
class HostView:
    """The state of the host's network namespace."""

    routes: Sequence[Route]
    addresses: Sequence[LinkAddress]
    links: Mapping[int, str]
    """Names of links by their index."""


@dataclass(frozen=True, slots=True)
class HostLink:
    """The planned link. `name` is the host's end; the two addresses are a neighbouring pair, one for each end."""

    name: str
    cluster: str
    host: IPv4Address
    inside: IPv4Address
    host6: IPv6Address | None = None
    inside6: IPv6Address | None = None


class HostLinkError(Exception):
    """The link cannot be made; the text names the address, route or link of the host that conflicts."""


def link_name(cluster: str) -> str:
    """Returns `fl-` and the cluster's name; a longer name is cut and gets four digits of its hash."""
    if len(_PREFIX + cluster) <= _LONGEST_NAME:
        return _PREFIX + cluster
    digest = hashlib.sha256(cluster.encode()).hexdigest()[:4]
    return f"{_PREFIX}{cluster[: _LONGEST_NAME - len(_PREFIX) - 5]}-{digest}"


def ranges(network: ClusterNetwork) -> Iterator[tuple[str, Network]]:
    """Yields the ranges to which the host gets routes, each with its name for users."""
    for fabric, pods, services in zip(network.fabrics, network.pod_cidrs, network.service_cidrs, strict=True):
        yield "the nodes' and load balancers'", fabric
        yield "the Pods'", pods
        yield "the Services'", services
    for block in network.balancers:
        if block.version == 4 or network.six is not None:
            yield "the load balancers'", block


def join(cluster: str, network: ClusterNetwork, view: HostView) -> HostLink:
    """Plans the link. Raises HostLinkError."""
    name = link_name(cluster)
    if name in view.links.values():
        raise HostLinkError(f"this machine has a link {name} already: use another --name")
    for whose, block in ranges(network):
        if thing := _in_the_way(block, view):
            raise HostLinkError(f"{whose} range {block} overlaps {thing}")
    pair = next((block for pool in _POOLS for block in _pairs(pool) if not _in_the_way(block, view)), None)
    if pair is None:
        names = " and ".join(map(str, _POOLS))
        raise HostLinkError(f"no unused pair of addresses for the link: this machine uses all of {names}")
    if network.six is None:
        return HostLink(name, cluster, pair[1], pair[0])
    pair6 = next((block for block in _pairs6(_POOL6) if not _in_the_way(block, view)), None)
    if pair6 is None:
        raise HostLinkError(f"no unused pair of addresses for the link: this machine uses all of {_POOL6}")
    return HostLink(name, cluster, pair[1], pair[0], pair6[1], pair6[0])


def _pairs(pool: IPv4Network) -> Iterator[IPv4Network]:
    """Yields all pairs but the first, whose first address looks like a network address."""
    return islice(pool.subnets(new_prefix=31), 1, None)


def _pairs6(pool: IPv6Network) -> Iterator[IPv6Network]:
    first = int(pool.network_address)
    return (IPv6Network((first + 2 * i, 127)) for i in range(1, _MOST_PAIRS6))


def _in_the_way(block: Network, view: HostView) -> str:
    """Describes the part of the host's network that overlaps the range; empty if there is no overlap."""
    for held in view.addresses:
        if held.network.version == block.version and _overlap(held.network, block):
            return f"address {held.address}/{held.network.prefixlen} of this machine's {_link(held.link, view)}"
    for route in view.routes:
        wide = route.destination.prefixlen <= _DEFAULTS
        if not wide and route.destination.version == block.version and _overlap(route.destination, block):
            return f"this machine's route to {route.destination} ({_link(route.link, view)})"
    return ""


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and (one.network_address in other or other.network_address in one)


def _link(index: int, view: HostView) -> str:
    name = view.links.get(index, "")
    if not name:
        return "no link"
    return f"{name}, of another cluster with --host-routes" if name.startswith(_PREFIX) else name


def host_messages(link: HostLink, network: ClusterNetwork, index: int) -> list[Message]:
    """Returns the messages for the host's namespace, after the link has been made (`index` is its index there)."""
    messages = [
        _describe(index, f"Fairlead cluster {link.cluster}"),
        _forward_nothing(index),
        add_address(index, IPv4Interface((link.host, 31))),
    ]
    if link.host6 is not None:
        messages.append(add_address(index, IPv6Interface((link.host6, 127))))
    for _, block in ranges(network):
        gateway = link.inside if block.version == 4 else link.inside6
        messages.append(add_route(block, gateway=gateway, link=index))
    return messages


def fabric_messages(link: HostLink, index: int) -> list[Message]:
    """Returns the messages for the namespace of the fabric."""
    messages = [
        add_address(index, IPv4Interface((link.inside, 31))),
        set_routing(index),
        set_up(index),
    ]
    if link.inside6 is not None:
        messages.insert(1, add_address(index, IPv6Interface((link.inside6, 127))))
    return messages


def guard(link: HostLink) -> str:
    """Returns nft rules for the namespace of the fabric: only answers may go to the host, and only packets from the
    host itself may come in.

    Without the first rule every program of the host that listens at all addresses would be open to Pods. Without the
    second, if the host is a router, other machines could send packets in, though they would get no answer.
    """
    own6 = f'  iifname "{INSIDE_NAME}" ip6 saddr != {link.host6} drop\n' if link.host6 else ""
    return f"""\
table inet {GUARD_TABLE} {{
 chain answers {{
  oifname != "{INSIDE_NAME}" accept
  ct state established,related accept
  icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
  counter reject with icmpx admin-prohibited
 }}
 chain own {{
  iifname "{INSIDE_NAME}" icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
  iifname "{INSIDE_NAME}" ip saddr != {link.host} drop
{own6} }}
 chain forward {{ type filter hook forward priority filter; policy accept; jump own; jump answers; }}
 chain input {{ type filter hook input priority filter; policy accept; jump own; }}
 chain output {{ type filter hook output priority filter; policy accept; jump answers; }}
}}
"""


def _describe(index: int, text: str) -> Message:
    body = _ifinfo(index) + _attribute(_IFLA_IFALIAS, text.encode() + b"\0")
    return Message(_NEWLINK, 0, body, f"describe link {index}")


def _forward_nothing(index: int) -> Message:
    """Turns off forwarding on the link: packets from the cluster end at this machine, even if it is a router."""
    conf = _attribute(_IFLA_INET_CONF | _NESTED, _attribute(_CONF_FORWARDING, struct.pack("=I", 0)))
    body = _ifinfo(index) + _attribute(_IFLA_AF_SPEC | _NESTED, _attribute(_AF_INET | _NESTED, conf))
    return Message(_NEWLINK, 0, body, f"forward nothing from link {index}")


def _ifinfo(index: int) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, 0, 0)


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)
