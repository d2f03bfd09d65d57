"""The numbers of the two pools that a Service holds."""

from __future__ import annotations

from fairlead.api.core.service.kind import Service
from fairlead.api.core.service.predicates import NO_IP, is_headless, needs_cluster_ip


def needs_address(service: Service) -> bool:
    """Returns whether the cluster IP comes from the pool (not headless, not ExternalName)."""
    return needs_cluster_ip(service.spec) and not is_headless(service.spec)


def addresses(service: Service) -> list[str]:
    """Returns the cluster IPs of the Service."""
    spec = service.spec
    if not needs_cluster_ip(spec):
        return []
    return [ip for ip in spec.clusterIPs or [spec.clusterIP] if ip and ip != NO_IP]


def node_ports(service: Service) -> list[int]:
    """Returns the node ports of the Service without duplicates: two protocols may share one."""
    spec = service.spec
    ports = [port.nodePort for port in spec.ports if port.nodePort]
    if spec.healthCheckNodePort:
        ports.append(spec.healthCheckNodePort)
    return list(dict.fromkeys(ports))
