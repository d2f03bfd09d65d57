"""The settings of a cluster, as `config.json` keeps them.

The ranges of Pods and Services determine the IP families of the cluster: one range for one family, or a pair with the
IPv4 range first. A separate setting could contradict the ranges. Rejected: IPv6 as the first of two families. The
cluster's own components would have to be reachable by either family, and only the order of a Service's addresses would
change.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Literal

from fairlead.base.codec import decode, encode
from fairlead.base.dataclass import dataclass, replace
from fairlead.cmd.cluster.flags import parse_port_range
from fairlead.cmd.cluster.paths import Paths, write_private
from fairlead.cmd.cluster.ranges import IpFamily, by_version, families_of, parse_cidrs
from fairlead.cmd.cluster.stateversion import NewerState, stamp, upgrade
from fairlead.cmd.cluster.storeconfig import SQLITE, EtcdFiles, parse_store
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.net.model import SERVICE_CIDR
from fairlead.proxy.settings.modes import Mode

if TYPE_CHECKING:
    from fairlead.loadbalancer.pool import Pool
    from fairlead.net.model import ClusterNetwork
    from fairlead.store.etcd.address import EtcdAddress

ProxyMode = Literal["", Mode]
AuthorizationMode = Literal["RBAC", "AlwaysAllow"]
DEFAULT_API_PORT = 6443
FIRST_FREE_PORT = 1024
"""The first port on which ordinary users may listen."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    name: str
    nodes: int = 1
    zones: int = 0
    """Number of zones that the nodes are divided among; 0: without zones."""
    api_port: int = 0
    """0: 6443, or a free port if 6443 is in use."""
    api_address: str = ""
    """An address of the host at which other machines reach the API; empty: the API is served on 127.0.0.1 only."""
    pod_cidr: str = "10.244.0.0/16"
    """A range of one family, or an IPv4 and an IPv6 range separated by a comma."""
    service_cidr: str = str(SERVICE_CIDR)
    """A range of one family, or an IPv4 and an IPv6 range separated by a comma."""
    node_port_range: tuple[int, int] = (30000, 32767)
    upstream: str = "host"
    """The servers for names outside the cluster: `host` (its resolv.conf), `none`, or addresses."""
    registries: str = "host"
    """The registries that nodes may pull from: `host` (all that this machine reaches), `none`, or hosts."""
    images: str = ""
    """The path of the cluster's catalogue of host images; empty: none."""
    expose_host: tuple[int, ...] = ()
    """TCP ports of the host's 127.0.0.1 that Pods may connect to."""
    expose_host_udp: tuple[int, ...] = ()
    """UDP ports of the host's 127.0.0.1 that Pods may send to."""
    egress: bool = False
    """Pods reach other machines."""
    egress_refuse: str = ""
    """The ranges that Pods do not reach though `egress` is set, separated by commas."""
    lb_pool: str = ""
    """The addresses of load balancers, in the syntax of `parse_pool`; empty: 172.30.0.200-250 and the IPv6 default."""
    host_routes: bool = False
    """The host has routes to the cluster's addresses; only root may set this."""

    store: str = SQLITE
    """`sqlite`, or `etcd+http(s)://HOST:PORT,...`."""
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    authorization_mode: AuthorizationMode = "RBAC"
    audit_policy: str = ""
    """The path of the audit policy; empty: the audit log is off."""
    audit_log: str = ""
    audit_log_maxsize: int = 100
    """The size in megabytes at which a new file of the audit log begins."""
    proxy_mode: ProxyMode = ""
    """The mode that this start asked for. It is written into the proxy's ConfigMap, which decides from then on."""

    @property
    def node_names(self) -> tuple[str, ...]:
        return tuple(f"node{i}" for i in range(1, self.nodes + 1))

    def zone_of(self, index: int) -> str:
        """Returns the zone of the node with that index, which begins at 1; empty without zones."""
        return f"zone{(index - 1) % self.zones + 1}" if self.zones else ""

    @property
    def exposed(self) -> frozenset[tuple[str, int]]:
        """Protocols and ports of the host's 127.0.0.1 that Pods may reach."""
        return frozenset(
            [("TCP", port) for port in self.expose_host] + [("UDP", port) for port in self.expose_host_udp]
        )

    @property
    def etcd(self) -> EtcdAddress | None:
        """None if the store is SQLite."""
        return parse_store(self.store)

    @property
    def etcd_files(self) -> EtcdFiles:
        return EtcdFiles(self.etcd_cafile, self.etcd_certfile, self.etcd_keyfile)

    @property
    def ip_family(self) -> IpFamily:
        return families_of({self.pod_cidr}) or "ipv4"

    def network(self) -> ClusterNetwork:
        from fairlead.net.model import FABRIC, POD_CIDR, SERVICE_CIDR, ClusterNetwork, Network6

        pods, services = by_version(self.pod_cidr), by_version(self.service_cidr)
        network = ClusterNetwork(
            fabric=FABRIC,
            pod_cidr=IPv4Network(pods.get(4, POD_CIDR)),
            service_cidr=IPv4Network(services.get(4, SERVICE_CIDR)),
            node_port_range=self.node_port_range,
            six=Network6(pod_cidr=IPv6Network(pods[6]), service_cidr=IPv6Network(services[6])) if 6 in pods else None,
            only_six=4 not in pods,
        )
        if not self.lb_pool:
            return network
        from fairlead.loadbalancer.pool import off_fabric, parse_pool

        return replace(network, balancers=off_fabric(parse_pool(self.lb_pool), network))

    def pool(self) -> Pool:
        from fairlead.loadbalancer.pool import default_pool, parse_pool

        return parse_pool(self.lb_pool) if self.lb_pool else default_pool(self.network())

    @property
    def dns_ip(self) -> str:
        """The tenth address of the Service range, the usual one for cluster DNS."""
        return self.dns_ips[0]

    @property
    def dns_ips(self) -> tuple[str, ...]:
        """The address of cluster DNS in each family."""
        return tuple(map(str, self.network().dns_ips))


def load(paths: Paths) -> ClusterConfig | None:
    """Returns the settings the cluster was made with, or None if there is no such cluster. Raises CommandError."""
    try:
        tree = json.loads(paths.config.read_bytes())
        return _checked(decode(ClusterConfig, upgrade(tree) if isinstance(tree, dict) else tree, unknown=True))
    except FileNotFoundError:
        return None
    except NewerState as e:
        cure = f"use that release or a later one, or delete the cluster: fairlead down --purge --name {paths.root.name}"
        raise CommandError(f'cluster "{paths.root.name}" was {e}; {cure}') from e
    except (OSError, ValueError, UsageError) as e:
        cure = f"delete the cluster: fairlead down --purge --name {paths.root.name}"
        raise CommandError(f"cannot read {paths.config}: {e}; {cure}") from e


def _checked(config: ClusterConfig) -> ClusterConfig:
    """Raises ValueError or UsageError if `save` cannot have written the settings."""
    low, high = config.node_port_range
    parse_port_range(f"{low}-{high}")
    cidrs = parse_cidrs(config.pod_cidr, "pod_cidr"), parse_cidrs(config.service_cidr, "service_cidr")
    if families_of({cidrs[0]}) != families_of({cidrs[1]}):
        raise ValueError(f"pod_cidr {cidrs[0]} and service_cidr {cidrs[1]} are not of the same families")
    parse_store(config.store)
    return config


def save(config: ClusterConfig, paths: Paths) -> None:
    write_private(paths.config, json.dumps(stamp(encode(ClusterConfig, config)), indent=1).encode())
