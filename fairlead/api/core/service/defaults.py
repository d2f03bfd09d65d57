"""Upstream's defaults of services, and the values that an update keeps from the old service.

`families.complete_families` sets the address families, because they depend on the cluster.
"""

from __future__ import annotations

from fairlead.api.core.service.predicates import (
    AFFINITY_TIMEOUT_S,
    externally_accessible,
    may_have_node_ports,
    needs_cluster_ip,
    needs_health_port,
    needs_node_ports,
)
from fairlead.api.core.service.spec import ClientIPConfig, ServiceSpec, SessionAffinityConfig
from fairlead.api.core.service.types import Service


def default_service(service: Service) -> Service:
    spec = service.spec
    spec.type = spec.type or "ClusterIP"
    _default_affinity(spec)
    for port in spec.ports:
        port.protocol = port.protocol or "TCP"
        if port.targetPort in (0, ""):
            port.targetPort = port.port
    if not spec.externalTrafficPolicy and externally_accessible(spec):
        spec.externalTrafficPolicy = "Cluster"
    if spec.internalTrafficPolicy is None and needs_cluster_ip(spec):
        spec.internalTrafficPolicy = "Cluster"
    if spec.type == "LoadBalancer":
        if spec.allocateLoadBalancerNodePorts is None:
            spec.allocateLoadBalancerNodePorts = True
        for ingress in service.status.loadBalancer.ingress:
            if ingress.ip and ingress.ipMode is None:
                ingress.ipMode = "VIP"
    return service


def _default_affinity(spec: ServiceSpec) -> None:
    spec.sessionAffinity = spec.sessionAffinity or "None"
    if spec.sessionAffinity == "None":
        spec.sessionAffinityConfig = None
    elif spec.sessionAffinity == "ClientIP":
        config = spec.sessionAffinityConfig = spec.sessionAffinityConfig or SessionAffinityConfig()
        client = config.clientIP = config.clientIP or ClientIPConfig()
        if client.timeoutSeconds is None:
            client.timeoutSeconds = AFFINITY_TIMEOUT_S


def prepare_new_service(service: Service) -> Service:
    """Fills `clusterIPs` from `clusterIP`, because old clients set only `clusterIP`."""
    spec = service.spec
    if spec.clusterIP and not spec.clusterIPs:
        spec.clusterIPs = [spec.clusterIP]
    return service


def prepare_service_update(old: Service, new: Service) -> Service:
    """Restores allocated values that the update omits; drops unchanged values that the new type does not use."""
    _normalize_cluster_ips(old.spec, new.spec)
    _carry_over(old.spec, new.spec)
    _drop_unused(old.spec, new.spec)
    return new


def _normalize_cluster_ips(old: ServiceSpec, new: ServiceSpec) -> None:
    """Makes `clusterIP` and `clusterIPs` consistent, because old clients change only `clusterIP`."""
    if old.clusterIPs and not new.clusterIPs and old.clusterIP == new.clusterIP:
        new.clusterIPs = list(old.clusterIPs)
    if old.clusterIP != new.clusterIP and old.clusterIPs == new.clusterIPs:
        new.clusterIPs = [new.clusterIP] if new.clusterIP else []
    if new.clusterIP and not old.clusterIPs and not new.clusterIPs:
        new.clusterIPs = [new.clusterIP]


def _carry_over(old: ServiceSpec, new: ServiceSpec) -> None:
    if needs_cluster_ip(old) and needs_cluster_ip(new):
        new.clusterIP = new.clusterIP or old.clusterIP
        if not new.clusterIPs and new.clusterIP == old.clusterIP:
            new.clusterIPs = list(old.clusterIPs)
    if needs_node_ports(old) and needs_node_ports(new):
        used = {p.nodePort for p in old.ports} & {p.nodePort for p in new.ports if p.nodePort}
        by_name = {p.name: p.nodePort for p in old.ports}
        for port in new.ports:
            before = by_name.get(port.name, 0)
            if not port.nodePort and before not in used:
                port.nodePort = before
                used.add(before)
    if needs_health_port(old) and needs_health_port(new) and not new.healthCheckNodePort:
        new.healthCheckNodePort = old.healthCheckNodePort


def _drop_unused(old: ServiceSpec, new: ServiceSpec) -> None:
    if needs_cluster_ip(old) and not needs_cluster_ip(new):
        if (old.clusterIP, old.clusterIPs) == (new.clusterIP, new.clusterIPs):
            new.clusterIP, new.clusterIPs = "", []
        new.ipFamilies = [] if new.ipFamilies == old.ipFamilies else new.ipFamilies
        new.ipFamilyPolicy = _unless_same(old.ipFamilyPolicy, new.ipFamilyPolicy)
        new.internalTrafficPolicy = _unless_same(old.internalTrafficPolicy, new.internalTrafficPolicy)
    if may_have_node_ports(old) and not may_have_node_ports(new):
        before = {(p.protocol, p.port): p.nodePort for p in old.ports}
        if all(p.nodePort == before.get((p.protocol, p.port), 0) for p in new.ports):
            for port in new.ports:
                port.nodePort = 0
    if needs_health_port(old) and not needs_health_port(new) and new.healthCheckNodePort == old.healthCheckNodePort:
        new.healthCheckNodePort = 0
    if old.type == "LoadBalancer" != new.type:
        old_allocates, allocates = old.allocateLoadBalancerNodePorts, new.allocateLoadBalancerNodePorts
        new.allocateLoadBalancerNodePorts = None if old_allocates == allocates else allocates
        new.loadBalancerClass = _unless_same(old.loadBalancerClass, new.loadBalancerClass)
    if externally_accessible(old) and not externally_accessible(new):
        new.externalTrafficPolicy = _unless_same(old.externalTrafficPolicy, new.externalTrafficPolicy) or ""


def _unless_same(old: str | None, new: str | None) -> str | None:
    return None if old == new else new
