"""What a node's agent is told at its start."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from fairlead.net.model import SERVICE_CIDR


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """One node. Paths are absolute."""

    name: str
    ips: tuple[str, ...]
    """The node's own addresses, one of each family that the cluster has, IPv4 first."""
    pod_cidrs: tuple[str, ...]
    """The node's own slices, such as `10.244.1.0/24`, likewise; the first address of that is the pods' gateway."""
    state_dir: str
    """`nodes/<node>` in the cluster's state directory: volumes, container logs."""
    own_log: str = ""
    """The file that the agent logs to, for those who read it through the node's API; empty: none."""
    hide: tuple[str, ...] = ()
    """Host paths that no pod may see, hostPath or not: the directory that holds all clusters' states."""
    homes: tuple[str, ...] = ()
    """Home folders, wherever they lie: a pod sees one only if a hostPath names it, or a place inside."""
    single_id: bool = False
    """Only one user id is mapped (an ordinary user's cluster), so id changes are made to appear to succeed."""
    kubelet_tls: ssl.SSLContext | None = None
    """Serves the kubelet API; requires the API server's client certificate."""
    kubelet_port: int = 10250
    streaming_idle_s: float = 4 * 3600.0
    """How long exec, attach and port-forward may be silent; upstream's default."""
    kubernetes_host: str = str(SERVICE_CIDR.network_address + 1)
    kubernetes_port: int = 443
    cluster_dns: str = ""
    """The DNS Service's address; empty: no cluster DNS, pods get no name server."""
    outside_dns: str = ""
    """A name server for names outside the cluster, for pods that want no other; empty: there is none."""
    host_searches: tuple[str, ...] = ()
    """The host's search domains, after the cluster's own."""
    cluster_domain: str = "cluster.local"
    domain_file: str = ""
    """Holds the cluster's domain, once it was ever another; empty: it stays the same."""
    catalogue: str = ""
    """A TOML file whose images come before the built-in ones; empty: none."""
    version: str = "0.1.0"

    @property
    def ip(self) -> str:
        """Where its API listens."""
        return self.ips[0]
