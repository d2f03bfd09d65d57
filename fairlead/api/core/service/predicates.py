"""Predicates on a Service's spec, typed by protocols so that DNS can use them with its reduced form of a spec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

NO_IP = "None"
"""The `clusterIP` of a headless Service."""
AFFINITY_TIMEOUT_S = 10800
"""Upstream's default of `sessionAffinityConfig.clientIP.timeoutSeconds`."""
TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
"""Annotations, old and new, that request topology hints in proportion to the nodes' CPUs."""


class Addressed(Protocol):
    """Protocol of a spec that has cluster IPs."""

    @property
    def type(self) -> str: ...
    @property
    def clusterIP(self) -> str: ...
    @property
    def clusterIPs(self) -> Sequence[str]: ...


class Exposed(Protocol):
    """Protocol of a spec that may be reachable from outside the cluster."""

    @property
    def type(self) -> str: ...
    @property
    def allocateLoadBalancerNodePorts(self) -> bool | None: ...
    @property
    def externalIPs(self) -> Sequence[str]: ...
    @property
    def externalTrafficPolicy(self) -> str: ...


def needs_cluster_ip(spec: Addressed) -> bool:
    return spec.type in ("ClusterIP", "NodePort", "LoadBalancer")


def has_cluster_ip(spec: Addressed) -> bool:
    """Returns whether the Service has an allocated cluster IP."""
    return spec.clusterIP not in ("", NO_IP)


def is_headless(spec: Addressed) -> bool:
    return NO_IP in (spec.clusterIP, *spec.clusterIPs[:1])


def needs_node_ports(spec: Exposed) -> bool:
    """Returns true if each port needs a node port."""
    return spec.type == "NodePort" or (spec.type == "LoadBalancer" and spec.allocateLoadBalancerNodePorts is not False)


def may_have_node_ports(spec: Exposed) -> bool:
    return spec.type in ("NodePort", "LoadBalancer")


def needs_health_port(spec: Exposed) -> bool:
    """Returns true if load balancers check each node for local endpoints on a port for health checks."""
    return spec.type == "LoadBalancer" and spec.externalTrafficPolicy == "Local"


def externally_accessible(spec: Exposed) -> bool:
    return may_have_node_ports(spec) or (spec.type == "ClusterIP" and bool(spec.externalIPs))
