"""Checks of services and of changes by an update."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.api.core.service.predicates import (
    NO_IP,
    TOPOLOGY_HINTS,
    TOPOLOGY_MODE,
    externally_accessible,
    is_headless,
    may_have_node_ports,
    needs_cluster_ip,
    needs_health_port,
)
from fairlead.api.core.service.spec import ServicePort, ServiceSpec
from fairlead.api.core.service.types import Service
from fairlead.api.meta.rules import dns_name, ip_address, ordinary_ip, port_number, port_number_or_name
from fairlead.machinery.kinds.metadata import check_labels
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, forbidden, invalid, not_supported, required

_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_IP_MODES = ("Proxy", "VIP")
_AFFINITY_MAX_SECONDS = 86400
_NOT_EXTERNAL_NAME = "may not be set for ExternalName services"
_LOAD_BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'"


def service_errors(service: Service) -> Iterator[FieldError]:
    spec = service.spec
    yield from _annotation_errors(service)
    if not spec.ports and not is_headless(spec) and spec.type != "ExternalName":
        yield required("spec.ports")
    yield from _type_errors(spec)
    yield from _port_errors(spec)
    yield from check_labels(spec.selector, "spec.selector")
    yield from _affinity_errors(spec)
    if spec.type != "ExternalName":
        yield from cluster_ip_errors(spec)
    for i, ip in enumerate(spec.externalIPs):
        where = f"spec.externalIPs[{i}]"
        wrong = list(ip_address(ip, where))
        yield from wrong or ordinary_ip(ip, where)
    yield from _repeated_ports(spec)
    yield from _load_balancer_errors(spec)
    yield from _traffic_policy_errors(spec)
    yield from _balancer_status_errors(service)


def _annotation_errors(service: Service) -> Iterator[FieldError]:
    annotations, spec = service.metadata.annotations, service.spec
    hints, mode = annotations.get(TOPOLOGY_HINTS), annotations.get(TOPOLOGY_MODE)
    if None not in (hints, mode) and hints != mode:
        text = f"must match annotations[{TOPOLOGY_HINTS}] when both are specified"
        yield invalid(f"metadata.annotations[{TOPOLOGY_MODE}]", mode, text)
    ranges = annotations.get(_SOURCE_RANGES)
    if ranges is None or spec.loadBalancerSourceRanges:
        return
    path = f"metadata.annotations[{_SOURCE_RANGES}]"
    if spec.type != "LoadBalancer":
        yield forbidden(path, _LOAD_BALANCER_ONLY)
    for cidr in ranges.split(",") if ranges.strip() else ():
        for text in names.cidr(cidr.strip()):
            yield invalid(path, cidr.strip(), text)


def _balancer_status_errors(service: Service) -> Iterator[FieldError]:
    path, points = "status.loadBalancer.ingress", service.status.loadBalancer.ingress
    if points and service.spec.type != "LoadBalancer":
        yield forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    for i, point in enumerate(points):
        where = f"{path}[{i}]"
        if point.ip:
            yield from ip_address(point.ip, f"{where}.ip")
        if point.ip and point.ipMode is None:
            yield required(f"{where}.ipMode", "must be specified when `ip` is set")
        elif point.ipMode is not None and not point.ip:
            yield forbidden(f"{where}.ipMode", "may not be specified when `ip` is not set")
        elif point.ipMode is not None and point.ipMode not in _IP_MODES:
            yield not_supported(f"{where}.ipMode", point.ipMode, _IP_MODES)
        if point.hostname:
            yield from dns_name(point.hostname, f"{where}.hostname")


def _type_errors(spec: ServiceSpec) -> Iterator[FieldError]:
    if spec.type == "ExternalName":
        yield from _external_name_errors(spec)
    if may_have_node_ports(spec) and is_headless(spec):
        yield invalid("spec.clusterIPs[0]", NO_IP, f"may not be set to 'None' for {spec.type} services")


def _external_name_errors(spec: ServiceSpec) -> Iterator[FieldError]:
    if spec.clusterIPs or spec.clusterIP:
        yield forbidden("spec.clusterIPs", _NOT_EXTERNAL_NAME)
    if spec.ipFamilies:
        yield forbidden("spec.ipFamilies", _NOT_EXTERNAL_NAME)
    if spec.ipFamilyPolicy is not None:
        yield forbidden("spec.ipFamilyPolicy", _NOT_EXTERNAL_NAME)
    if not spec.externalName.removesuffix("."):
        yield required("spec.externalName")
        return
    for text in names.dns1123_subdomain(spec.externalName.removesuffix(".")):
        yield invalid("spec.externalName", spec.externalName.removesuffix("."), text)


def _port_errors(spec: ServiceSpec) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, port in enumerate(spec.ports):
        where = f"spec.ports[{i}]"
        if not port.name and len(spec.ports) > 1:
            yield required(f"{where}.name")
        elif port.name:
            for text in names.dns1123_label(port.name):
                yield invalid(f"{where}.name", port.name, text)
            if port.name in seen:
                yield duplicate(f"{where}.name", port.name)
            seen.add(port.name)
        yield from port_number(port.port, f"{where}.port")
        yield from port_number_or_name(port.targetPort, f"{where}.targetPort")


def _affinity_errors(spec: ServiceSpec) -> Iterator[FieldError]:
    config = spec.sessionAffinityConfig
    if spec.sessionAffinity == "None" and config is not None:
        yield forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None")
    if spec.sessionAffinity == "ClientIP" and config is not None and config.clientIP is not None:
        seconds = config.clientIP.timeoutSeconds
        if seconds is not None and not 0 < seconds <= _AFFINITY_MAX_SECONDS:
            text = f"must be greater than 0 and less than {_AFFINITY_MAX_SECONDS}"
            yield invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, text)


def cluster_ip_errors(spec: ServiceSpec) -> Iterator[FieldError]:
    ips, families = spec.clusterIPs, spec.ipFamilies
    if spec.clusterIP and not ips:
        yield required("spec.clusterIPs")
    elif spec.clusterIP and ips[0] != spec.clusterIP:
        yield invalid("spec.clusterIPs", ips, "first value must match `clusterIP`")
    elif ips and not spec.clusterIP:
        yield invalid("spec.clusterIPs", ips, "must be empty when `clusterIP` is not specified")
    for i, family in enumerate(families):
        if family not in ("IPv4", "IPv6"):
            yield not_supported(f"spec.ipFamilies[{i}]", family, ("IPv4", "IPv6"))
        if family in families[:i]:
            yield duplicate(f"spec.ipFamilies[{i}]", family)
    wrong = list(_address_errors(ips))
    yield from wrong
    if len(ips) > 2:
        yield invalid("spec.clusterIPs", ips, "may only hold up to 2 values")
    if wrong or is_headless(spec):
        return
    if len(ips) > 1 and len({":" in ip for ip in ips}) == 1:
        yield invalid("spec.clusterIPs", ips, "may specify no more than one IP for each IP family")
    for i, (ip, family) in enumerate(zip(ips, families, strict=False)):
        if family in ("IPv4", "IPv6") and (":" in ip) != (family == "IPv6"):
            text = f"expected an {family} value as indicated by `ipFamilies[{i}]`"
            yield invalid(f"spec.clusterIPs[{i}]", ip, text)


def _address_errors(ips: list[str]) -> Iterator[FieldError]:
    for i, ip in enumerate(ips):
        if i == 0 and ip == NO_IP:
            if len(ips) > 1:
                yield invalid("spec.clusterIPs", ips, "'None' must be the first and only value")
        else:
            yield from ip_address(ip, f"spec.clusterIPs[{i}]")


def _repeated_ports(spec: ServiceSpec) -> Iterator[FieldError]:
    node_ports: set[tuple[str, int]] = set()
    ports: set[tuple[str, int]] = set()
    for i, port in enumerate(spec.ports):
        where = f"spec.ports[{i}]"
        if port.nodePort:
            if spec.type == "ClusterIP":
                yield forbidden(f"{where}.nodePort", "may not be used when `type` is 'ClusterIP'")
            if (port.protocol, port.nodePort) in node_ports:
                yield duplicate(f"{where}.nodePort", port.nodePort)
            node_ports.add((port.protocol, port.nodePort))
        if (port.protocol, port.port) in ports:
            yield duplicate(where, _port_key(port))
        ports.add((port.protocol, port.port))


def _port_key(port: ServicePort) -> dict[str, Any]:
    """Renders a port as upstream's errors show the internal type: only protocol and number are filled."""
    return {
        "Name": "",
        "Protocol": port.protocol,
        "AppProtocol": None,
        "Port": port.port,
        "TargetPort": 0,
        "NodePort": 0,
    }


def _load_balancer_errors(spec: ServiceSpec) -> Iterator[FieldError]:
    balanced = spec.type == "LoadBalancer"
    if spec.loadBalancerSourceRanges:
        # The capital L is upstream's.
        path = "spec.LoadBalancerSourceRanges"
        if not balanced:
            yield forbidden(path, _LOAD_BALANCER_ONLY)
        for i, cidr in enumerate(spec.loadBalancerSourceRanges):
            for text in names.cidr(cidr.strip()):
                yield invalid(f"{path}[{i}]", cidr.strip(), text)
    if spec.allocateLoadBalancerNodePorts is not None and not balanced:
        yield forbidden("spec.allocateLoadBalancerNodePorts", _LOAD_BALANCER_ONLY)
    if spec.loadBalancerClass is None:
        return
    if not balanced:
        yield forbidden("spec.loadBalancerClass", _LOAD_BALANCER_ONLY)
        return
    for text in names.qualified_name(spec.loadBalancerClass):
        yield invalid("spec.loadBalancerClass", spec.loadBalancerClass, text)


def _traffic_policy_errors(spec: ServiceSpec) -> Iterator[FieldError]:
    policy, path = spec.externalTrafficPolicy, "spec.externalTrafficPolicy"
    if policy and not externally_accessible(spec):
        yield invalid(path, policy, "may only be set for externally-accessible services")
    elif policy not in ("", "Cluster", "Local"):
        yield not_supported(path, policy, ("Cluster", "Local"))
    port, path = spec.healthCheckNodePort, "spec.healthCheckNodePort"
    if port and not needs_health_port(spec):
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid(path, port, text)
    elif port:
        yield from port_number(port, path)


def service_transition(old: Service, new: Service) -> Iterator[FieldError]:
    before, after = old.spec, new.spec
    if needs_cluster_ip(before) and needs_cluster_ip(after):
        yield from _pinned(before.clusterIPs, after.clusterIPs, "spec.clusterIPs", "clusterIP")
        # The families are absent only if the addresses are invalid, which `cluster_ip_errors` reports.
        if after.ipFamilies and not (is_headless(before) and not before.selector):
            yield from _pinned(before.ipFamilies, after.ipFamilies, "spec.ipFamilies", "ipFamily")
    checked = needs_health_port(before) and needs_health_port(after)
    if checked and before.healthCheckNodePort != after.healthCheckNodePort:
        yield forbidden("spec.healthCheckNodePort", "field is immutable")
    if before.type == after.type == "LoadBalancer" and before.loadBalancerClass != after.loadBalancerClass:
        yield invalid("spec.loadBalancerClass", after.loadBalancerClass, "may not change once set")


def _pinned(before: list[str], after: list[str], path: str, what: str) -> Iterator[FieldError]:
    """Yields errors if the first value changes. The second may be added or removed, but not changed."""
    if before and not after:
        yield invalid(f"{path}[0]", after, f"primary {what} can not be unset")
    elif before and before[0] != after[0]:
        yield invalid(f"{path}[0]", after, "may not change once set")
    if len(before) > 1 and len(after) > 1 and before[1] != after[1]:
        yield invalid(f"{path}[1]", after, "may not change once set")
