"""The settings of the API server."""

from __future__ import annotations

import ipaddress
import ssl

from fairlead.apiserver.allocation.addresspool import Network
from fairlead.apiserver.auth.keyset import KeySet
from fairlead.apiserver.auth.modes import AuthorizationMode
from fairlead.apiserver.extensions import Extensions
from fairlead.base.dataclass import dataclass, field
from fairlead.net.model import SERVICE_CIDR

GIT_VERSION = "v1.36.0+fairlead"


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """The certificate by which extension servers recognise this server, and the authority that signed it."""

    certificate: str
    """A file in PEM form, read at the first connection."""
    key: str
    ca_pem: str
    common_name: str = "front-proxy-client"


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """The audit log: a policy (the text of its file) and the file that events are written to."""

    policy: str
    path: str
    max_bytes: int = 100 << 20
    backups: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """The settings of the API server."""

    advertise_address: str
    """Address at which Pods reach this server: the endpoint of the Service `kubernetes`."""
    advertise_port: int = 6443
    service_cidr: str = str(SERVICE_CIDR)
    """One range, or one of each family separated by a comma: the first is the cluster's primary family."""
    node_port_range: tuple[int, int] = (30000, 32767)
    """First and last port, both included."""
    token_keys: KeySet
    """The keys of service-account tokens."""
    ca_pem: str = ""
    kubelet_tls: ssl.SSLContext | None = None
    """Client side of the connections to the nodes' kubelet API; without it logs and exec answer 503."""
    audit: AuditSettings | None = None
    front_proxy: FrontProxy | None = None
    """If absent, extension servers see no certificate of this server and believe no identity."""
    cluster_domain: str = "cluster.local"
    authorization_mode: AuthorizationMode = "RBAC"
    version: str = GIT_VERSION
    extensions: Extensions = field(default_factory=Extensions)

    @property
    def advertised(self) -> str:
        """Returns address and port at which Pods reach this server."""
        host = f"[{self.advertise_address}]" if ":" in self.advertise_address else self.advertise_address
        return f"{host}:{self.advertise_port}"

    @property
    def service_networks(self) -> list[Network]:
        return [ipaddress.ip_network(cidr) for cidr in self.service_cidr.split(",")]
