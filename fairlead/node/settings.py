"""The settings of a node's agent, given at its start."""

from __future__ import annotations

import ssl

from fairlead.base.dataclass import dataclass
from fairlead.net.model import SERVICE_CIDR


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """One node. Paths are absolute."""

    name: str
    ips: tuple[str, ...]
    """The node's own addresses, one of each family that the cluster has, IPv4 first."""
    pod_cidrs: tuple[str, ...]
    """The node's own pod ranges, such as `10.244.1.0/24`, in the same order; the first address of the IPv4 range is the
    pods' gateway."""
    state_dir: str
    """`nodes/<node>` in the cluster's state directory: volumes, container logs."""
    volumes_dir: str = ""
    """The folder of the built-in provisioner's directories, which all nodes share; empty: none."""
    zone: str = ""
    """The node's zone; empty: none."""
    own_log: str = ""
    """The agent's log file, for clients of the node's API; empty: none."""
    hide: tuple[str, ...] = ()
    """Host paths that no pod may see, hostPath or not: the directory that holds all clusters' states."""
    homes: tuple[str, ...] = ()
    """Home directories, at any place: a pod sees one only if a hostPath names it, or a path inside it."""
    single_id: bool = False
    """Only one user id is mapped (an ordinary user's cluster), so id changes are made to appear to succeed."""
    host_namespaces: bool = False
    """Pods may have the node's processes and System V objects (hostPID, hostIPC): in a cluster of root alone."""
    kubelet_tls: ssl.SSLContext | None = None
    """Serves the kubelet API; requires the API server's client certificate."""
    kubelet_port: int = 10250
    streaming_idle_s: float = 4 * 3600.0
    """Seconds without traffic after which exec, attach and port-forward end; upstream's default."""
    kubernetes_host: str = str(SERVICE_CIDR.network_address + 1)
    kubernetes_port: int = 443
    cluster_dns: str = ""
    """The DNS Service's address; empty: no cluster DNS, pods get no name server."""
    outside_dns: str = ""
    """A name server for names outside the cluster, for pods that use no other; empty: none."""
    host_searches: tuple[str, ...] = ()
    """The host's search domains, after the cluster's own."""
    cluster_domain: str = "cluster.local"
    domain_file: str = ""
    """A file with the cluster's domain, written at its first change; empty: the domain never changes."""
    catalogues: tuple[str, ...] = ()
    """TOML files whose images come before the built-in ones, the first file first; empty paths are left out."""
    image_store: str = ""
    """The folder of the user's image store; empty: only host images run."""
    image_service: str = ""
    """The socket of the pulling service; empty: no images are pulled."""
    registries_file: str = ""
    """The user's settings of registries; empty: none."""
    seccomp_folder: str = ""
    """The folder of the user's seccomp profiles; empty: none."""
    registries: str = "none"
    """The registries that the cluster may pull from: `host` (all), `none`, or hosts."""
    version: str = "0.1.0"

    @property
    def ip(self) -> str:
        """Returns the address at which the node's API listens."""
        return self.ips[0]
