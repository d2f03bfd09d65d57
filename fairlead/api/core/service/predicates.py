"""Predicates on a Service's spec, typed by protocols so that DNS can use them with its reduced form of a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fairlead.base.dataclass import dataclass

NO_IP = "None"
"""The `clusterIP` of a headless Service."""
AFFINITY_TIMEOUT_S = 10800
"""Upstream's default of `sessionAffinityConfig.clientIP.timeoutSeconds`."""
TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
"""Annotations, old and new, that request topology hints in proportion to the nodes' CPUs."""


class Typed(Protocol):
    """Protocol of a spec with its type."""

    @property
    def type(self) -> str: ...


@dataclass(frozen=True, slots=True)
class TypeOnly:
    """The type alone, of a spec that is not decoded."""

    type: str


class Addressed(Typed, Protocol):
    """Protocol of a spec that has cluster IPs."""

    @property
    def clusterIP(self) -> str: ...
    @property
    def clusterIPs(self) -> Sequence[str]: ...


class Exposed(Typed, Protocol):
    """Protocol of a spec that may be reachable from outside the cluster."""

    @property
    def allocateLoadBalancerNodePorts(self) -> bool | None: ...
    @property
    def externalIPs(self) -> Sequence[str]: ...
    @property
    def externalTrafficPolicy(self) -> str: ...


def typed(spec: Mapping[str, Any]) -> TypeOnly:
    """Returns the type of a spec that is a JSON tree."""
    return TypeOnly(spec.get("type") or "ClusterIP")


def is_external_name(spec: Typed) -> bool:
    """Returns whether the Service is an alias in DNS only."""
    return spec.type == "ExternalName"


def is_cluster_ip(spec: Typed) -> bool:
    return spec.type == "ClusterIP"


def is_node_port(spec: Typed) -> bool:
    return spec.type == "NodePort"


def is_load_balancer(spec: Typed) -> bool:
    return spec.type == "LoadBalancer"


def needs_cluster_ip(spec: Typed) -> bool:
    return spec.type in ("ClusterIP", "NodePort", "LoadBalancer")


def has_cluster_ip(spec: Addressed) -> bool:
    """Returns whether the Service has an allocated cluster IP."""
    return spec.clusterIP not in ("", NO_IP)


def is_headless(spec: Addressed) -> bool:
    return NO_IP in (spec.clusterIP, *spec.clusterIPs[:1])


def needs_node_ports(spec: Exposed) -> bool:
    """Returns true if each port needs a node port."""
    return is_node_port(spec) or (is_load_balancer(spec) and spec.allocateLoadBalancerNodePorts is not False)


def may_have_node_ports(spec: Typed) -> bool:
    return spec.type in ("NodePort", "LoadBalancer")


def needs_health_port(spec: Exposed) -> bool:
    """Returns true if load balancers check each node for local endpoints on a port for health checks."""
    return is_load_balancer(spec) and spec.externalTrafficPolicy == "Local"


def externally_accessible(spec: Exposed) -> bool:
    return may_have_node_ports(spec) or (is_cluster_ip(spec) and bool(spec.externalIPs))
