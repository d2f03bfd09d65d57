"""The address plan of a cluster: the ranges of the cluster, and the addresses of its parts.

Pure values. Everything that needs an address (topology, proxy, allocators, certificates) asks here, so that the plan is
defined once. Node `i` counts from 1. Rejected: numbering nodes' pod ranges from 0, because `10.244.1.0/24` belonging to
`node1` is worth more than one more range.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import combinations
from typing import TypeVar

from fairlead.base.dataclass import dataclass

Address = IPv4Address | IPv6Address
Range = IPv4Network | IPv6Network
F = TypeVar("F")
S = TypeVar("S")

FIRST_NODE_OFFSET = 10
"""Node `i` has this offset plus `i` in the fabric; lower offsets are for the control plane's links."""
LAST_NODE_OFFSET = 199
"""The highest offset of a node; higher ones are the load balancer's pool."""
POOL_OFFSETS = (200, 250)
"""The first and the last address of the load balancer's pool in the fabric, in both families."""

API_PORT_INSIDE = 6443
"""The port of the API server on the fabric."""

_MAX_FABRIC_PREFIX = 24
_MAX_POD_PREFIX = 24
_MAX_SERVICE_PREFIX = 27


FABRIC = IPv4Network("172.30.0.0/24")
POD_CIDR = IPv4Network("10.244.0.0/16")
SERVICE_CIDR = IPv4Network("10.96.0.0/12")
FABRIC6 = IPv6Network("fd00:172:30::/64")
POD_CIDR6 = IPv6Network("fd00:10:244::/56")
SERVICE_CIDR6 = IPv6Network("fd00:10:96::/112")


POD_GATEWAY6 = IPv6Address("fe80::1")
"""The node's side of every Pod link. A link-local address is unique to its link, so all links can share this one."""
_NODE_PREFIX6 = 64
_MAX_FABRIC_PREFIX6 = 120
_MAX_POD_PREFIX6 = 56
_MAX_SERVICE_PREFIX6 = 120
_UNFIT6 = tuple(IPv6Network(net) for net in ("::/8", "fe80::/10", "ff00::/8"))
"""Loopback and mapped addresses, link-local addresses, and multicast."""


@dataclass(frozen=True, slots=True)
class Network6:
    """The IPv6 ranges of a cluster with both families; nodes are numbered as in the IPv4 ranges."""

    fabric: IPv6Network = FABRIC6
    pod_cidr: IPv6Network = POD_CIDR6
    service_cidr: IPv6Network = SERVICE_CIDR6

    @property
    def gateway(self) -> IPv6Address:
        return self.fabric.network_address + 1

    def node_ip(self, index: int) -> IPv6Address:
        return self.fabric.network_address + FIRST_NODE_OFFSET + index

    def pod_cidr_of(self, index: int) -> IPv6Network:
        return IPv6Network((int(self.pod_cidr.network_address) + (index << 128 - _NODE_PREFIX6), _NODE_PREFIX6))

    @property
    def pool(self) -> tuple[IPv6Address, IPv6Address]:
        """Returns the first and the last address of the load balancer's pool, with the same offsets as in IPv4:
        `fd00:172:30::c8` to `::fa`."""
        first, last = POOL_OFFSETS
        return self.fabric.network_address + first, self.fabric.network_address + last

    def problems(self) -> Iterator[str]:
        ranges = (
            ("IPv6 fabric", self.fabric, _MAX_FABRIC_PREFIX6),
            ("IPv6 pod CIDR", self.pod_cidr, _MAX_POD_PREFIX6),
            ("IPv6 service CIDR", self.service_cidr, _MAX_SERVICE_PREFIX6),
        )
        for name, net, longest in ranges:
            if net.prefixlen > longest:
                yield f"{name} {net} is too small: it must be /{longest} or larger"
            if any(net.overlaps(unfit) for unfit in _UNFIT6):
                yield f"{name} {net} cannot be used for hosts"
        for (name, net, _), (other_name, other, _) in combinations(ranges, 2):
            if net.overlaps(other):
                yield f"{name} {net} overlaps {other_name} {other}"


@dataclass(frozen=True, slots=True)
class ClusterNetwork:
    """The ranges of one cluster. Call `validate` before use."""

    fabric: IPv4Network = FABRIC
    pod_cidr: IPv4Network = POD_CIDR
    service_cidr: IPv4Network = SERVICE_CIDR
    node_port_range: tuple[int, int] = (30000, 32767)
    """First and last node port, both included."""
    six: Network6 | None = None
    """The IPv6 ranges, if the cluster has IPv6."""
    only_six: bool = False
    """Pods, Services and Nodes have IPv6 alone. The fabric still has IPv4, for the cluster's own components."""
    balancers: tuple[IPv4Network | IPv6Network, ...] = ()
    """Pools of load balancers outside the fabric's range; their addresses are announced on the fabric nevertheless."""

    def validate(self, nodes: int = 1) -> None:
        """Raises ValueError with one line that names what is wrong."""
        problem = next(self._problems(nodes), None)
        if problem:
            raise ValueError(problem)

    def _problems(self, nodes: int) -> Iterator[str]:
        ranges = [
            ("fabric", self.fabric, _MAX_FABRIC_PREFIX),
            ("pod CIDR", self.pod_cidr, _MAX_POD_PREFIX),
            ("service CIDR", self.service_cidr, _MAX_SERVICE_PREFIX),
        ]
        if self.only_six:
            del ranges[1:]
        for name, net, longest in ranges:
            if net.prefixlen > longest:
                yield f"{name} {net} is too small: it must be /{longest} or larger"
            if net.is_loopback or net.is_multicast or net.is_link_local or net.is_unspecified or net.prefixlen < 4:
                yield f"{name} {net} cannot be used for hosts"
        for (name, net, _), (other_name, other, _) in combinations(ranges, 2):
            if net.overlaps(other):
                yield f"{name} {net} overlaps {other_name} {other}"
        if self.six is not None:
            yield from self.six.problems()
        low, high = self.node_port_range
        if not 1 <= low <= high <= 65535:
            yield f"node port range {low}-{high} must lie between 1 and 65535, the lower port first"
        if not 1 <= nodes <= self.max_nodes:
            where = f"pod CIDR {self.pod_cidr} and fabric {self.fabric}"
            yield f"{nodes} nodes do not fit: {where} hold 1 to {self.max_nodes}"

    @property
    def node_prefix(self) -> int:
        """Returns the prefix length of a node's pod range: /24, or longer if the pod CIDR is small."""
        return min(max(24, self.pod_cidr.prefixlen + 4), 28)

    @property
    def max_nodes(self) -> int:
        ranges = int(2 ** (self.node_prefix - self.pod_cidr.prefixlen)) - 1
        return min(ranges, LAST_NODE_OFFSET - FIRST_NODE_OFFSET)

    @property
    def gateway(self) -> IPv4Address:
        """Returns the control plane's address in the fabric, which is the nodes' default gateway."""
        return self.fabric.network_address + 1

    @property
    def control_ip(self) -> Address:
        """Returns the address by which Pods reach the gateway: the API server, names outside, ports of the host."""
        return self.six.gateway if self.six is not None and self.only_six else self.gateway

    @property
    def kubernetes_ip(self) -> Address:
        """Returns the cluster IP of the Service `kubernetes`."""
        return self.service_cidrs[0].network_address + 1

    @property
    def dns_ips(self) -> tuple[Address, ...]:
        """Returns the DNS addresses, one of each family: the tenth of the Service range, as in other distributions."""
        return tuple(cidr.network_address + 10 for cidr in self.service_cidrs)

    @property
    def service_cidrs(self) -> tuple[Range, ...]:
        """Returns the Service ranges, one of each family that Pods and Services have, IPv4 first."""
        return self._of_each(self.service_cidr, self.six.service_cidr if self.six else None)

    @property
    def pod_cidrs(self) -> tuple[Range, ...]:
        return self._of_each(self.pod_cidr, self.six.pod_cidr if self.six else None)

    @property
    def fabrics(self) -> tuple[Range, ...]:
        return self._of_each(self.fabric, self.six.fabric if self.six else None)

    def _of_each(self, four: F, six: S | None) -> tuple[F | S, ...]:
        if six is None:
            return (four,)
        return (six,) if self.only_six else (four, six)

    def node_ip(self, index: int) -> IPv4Address:
        return self.fabric.network_address + FIRST_NODE_OFFSET + index

    def index_of(self, node_ip: IPv4Address) -> int:
        """Returns the number of the node with this address."""
        return int(node_ip) - int(self.fabric.network_address) - FIRST_NODE_OFFSET

    def pod_cidr_of(self, index: int) -> IPv4Network:
        size = 1 << (32 - self.node_prefix)
        return IPv4Network((int(self.pod_cidr.network_address) + index * size, self.node_prefix))

    def node_ips(self, index: int) -> tuple[Address, ...]:
        """Returns the node's addresses, one of each family that Nodes have, IPv4 first."""
        return self._of_each(self.node_ip(index), self.six.node_ip(index) if self.six else None)

    def pod_cidrs_of(self, index: int) -> tuple[Range, ...]:
        return self._of_each(self.pod_cidr_of(index), self.six.pod_cidr_of(index) if self.six else None)

    def node_ranges(self) -> list[tuple[str, ...]]:
        """Returns the Pod ranges that nodes can have, those of the first node first."""
        count = int(2 ** (self.node_prefix - self.pod_cidr.prefixlen)) - 1
        return [tuple(map(str, self.pod_cidrs_of(index))) for index in range(1, count + 1)]

    def pod_gateway(self, index: int) -> IPv4Address:
        """Returns the node's side of every Pod link on node `index`."""
        return self.pod_cidr_of(index).network_address + 1


def host_interface(pod_uid: str) -> str:
    """Returns the name of the node's side of a Pod's link (at most 15 bytes)."""
    import hashlib  # this import loads OpenSSL: 0.6 MB that supervisor, pid 1 and zygotes save

    return "veth" + hashlib.sha256(pod_uid.encode()).hexdigest()[:11]
