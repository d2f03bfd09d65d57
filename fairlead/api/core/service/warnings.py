"""Warnings about services that are valid but probably wrong."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from fairlead.api.core.service.predicates import NO_IP, TOPOLOGY_HINTS, TOPOLOGY_MODE, is_headless
from fairlead.api.core.service.spec import ServiceSpec
from fairlead.api.core.service.types import Service
from fairlead.machinery.values import names

_IGNORED = 'is ignored when spec.type is "ExternalName"'


def service_warnings(service: Service) -> Iterator[str]:
    spec = service.spec
    if TOPOLOGY_HINTS in service.metadata.annotations:
        yield f"annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead"
    yield from _form_warnings(spec)
    if spec.type == "ExternalName":
        # Upstream warns only for externalIPs. Ports and a selector are included here, because people set them and
        # expect an effect.
        for name in ("ports", "selector", "externalIPs"):
            if getattr(spec, name):
                yield f"spec.{name} {_IGNORED}"
    elif is_headless(spec):
        yield from _headless_warnings(spec)
    elif spec.externalIPs:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.type != "ExternalName" and spec.externalName:
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.trafficDistribution == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _headless_warnings(spec: ServiceSpec) -> Iterator[str]:
    for name in ("loadBalancerIP", "externalIPs"):
        if getattr(spec, name):
            yield f"spec.{name} is ignored for headless services"
    if spec.sessionAffinity != "None":
        yield "spec.SessionAffinity is ignored for headless services"


def _form_warnings(spec: ServiceSpec) -> Iterator[str]:
    """Yields warnings for addresses and ranges that are valid but not in canonical form."""
    addresses = [(f"spec.clusterIPs[{i}]", ip) for i, ip in enumerate(spec.clusterIPs) if ip != NO_IP]
    addresses += [(f"spec.externalIPs[{i}]", ip) for i, ip in enumerate(spec.externalIPs)]
    addresses.append(("spec.loadBalancerIP", spec.loadBalancerIP))
    for path, ip in addresses:
        # A valid IPv4 address has one form only; an empty text would cost a failed parse (4 us).
        if ":" in ip and not names.ip(ip) and ip != (canonical := str(ipaddress.ip_address(ip))):
            yield f'{path}: IPv6 address "{ip}" should be in RFC 5952 canonical format ("{canonical}")'
    for i, cidr in enumerate(spec.loadBalancerSourceRanges):
        if names.cidr(cidr):
            continue
        path, interface = f"spec.loadBalancerSourceRanges[{i}]", ipaddress.ip_interface(cidr)
        if interface.ip != interface.network.network_address:
            one = f"{interface.ip}/{interface.max_prefixlen}"
            text = f'CIDR value "{cidr}" is ambiguous in this context (should be "{interface.network}" or "{one}"?)'
            yield f"{path}: {text}"
        elif cidr != str(interface.network):
            yield f'{path}: IPv6 CIDR value "{cidr}" should be in RFC 5952 canonical format ("{interface.network}")'
