"""Rules and routes on the fabric that lead packets with foreign destinations to the relay's sockets.

TPROXY hands a packet to a local socket without a change of its addresses (kernel documentation, networking/tproxy), so
the socket's own address is the destination that the Pod asked for. A local default route makes the kernel keep such
packets; it lies below every other route of the fabric.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import TypeVar

from fairlead.net.model import ClusterNetwork
from fairlead.net.netlink.model import Message, add_local_default
from fairlead.net.topology.plan import FABRIC_LINK

Network = TypeVar("Network", IPv4Network, IPv6Network)

TABLE = "fairlead-egress"
_NEVER4 = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")))
_NEVER6 = tuple(map(IPv6Network, ("::/8", "fe80::/10", "ff00::/8")))


def ranges_inside(network: ClusterNetwork) -> tuple[list[IPv4Network], list[IPv6Network]]:
    """Returns the ranges whose packets stay in the cluster, or are never carried."""
    four = [network.fabric, network.pod_cidr, network.service_cidr, *_NEVER4]
    four += [block for block in network.balancers if isinstance(block, IPv4Network)]
    six = [*_NEVER6, *(block for block in network.balancers if isinstance(block, IPv6Network))]
    if network.six is not None:
        six += [network.six.fabric, network.six.pod_cidr, network.six.service_cidr]
    return four, six


def rules(network: ClusterNetwork, *, tcp: int, udp: int) -> str:
    """Returns the table in nft's syntax; `tcp` and `udp` are the ports of the relay's sockets."""
    four, six = ranges_inside(network)
    lines = [f"ip daddr {{ {', '.join(map(str, _merged(four)))} }} return"]
    lines += [
        f"meta nfproto ipv4 meta l4proto {name} tproxy ip to :{port}" for name, port in (("tcp", tcp), ("udp", udp))
    ]
    if network.six is not None:
        lines.append(f"ip6 daddr {{ {', '.join(map(str, _merged(six)))} }} return")
        lines += [
            f"meta nfproto ipv6 meta l4proto {name} tproxy ip6 to :{port}"
            for name, port in (("tcp", tcp), ("udp", udp))
        ]
    body = "\n".join(f'    iifname "{FABRIC_LINK}" {line}' for line in lines)
    chain = f"  chain prerouting {{\n    type filter hook prerouting priority mangle; policy accept;\n{body}\n  }}"
    return f"table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{chain}\n}}\n"


def routes(network: ClusterNetwork) -> list[Message]:
    return [add_local_default(4), *([add_local_default(6)] if network.six is not None else [])]


def _merged(networks: Sequence[Network]) -> Iterable[Network]:
    """Returns the ranges without those inside others: elements of a set may not overlap."""
    return collapse_addresses(networks)
