"""What a Service holds of the two pools."""

from __future__ import annotations

from fairlead.api.core.service.kind import Service
from fairlead.api.core.service.predicates import NO_IP, is_headless, needs_cluster_ip


def needs_address(service: Service) -> bool:
    """Whether the Service has a cluster IP that is out of the pool (not headless, not ExternalName)."""
    return needs_cluster_ip(service.spec) and not is_headless(service.spec)


def addresses(service: Service) -> list[str]:
    """The cluster IPs the Service holds."""
    spec = service.spec
    if not needs_cluster_ip(spec):
        return []
    return [ip for ip in spec.clusterIPs or [spec.clusterIP] if ip and ip != NO_IP]


def node_ports(service: Service) -> list[int]:
    """The node ports the Service holds, each once: two protocols may share one."""
    spec = service.spec
    found = [port.nodePort for port in spec.ports if port.nodePort]
    if spec.healthCheckNodePort:
        found.append(spec.healthCheckNodePort)
    return list(dict.fromkeys(found))
