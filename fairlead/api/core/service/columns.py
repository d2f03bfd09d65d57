"""Columns of `kubectl get services`."""

from __future__ import annotations

from fairlead.api.core.service.spec import ServicePort
from fairlead.api.core.service.types import Service
from fairlead.api.meta.columns import AGE, NAME, NONE, UNKNOWN, or_none, render_labels
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column


def _cluster_ip(service: Service, _: Instant) -> str:
    return or_none(service.spec.clusterIPs[0] if service.spec.clusterIPs else "")


def _external_ip(service: Service, _: Instant) -> str:
    spec = service.spec
    match spec.type:
        case "ClusterIP" | "NodePort":
            return or_none(",".join(spec.externalIPs))
        case "LoadBalancer":
            given = sorted({i.ip or i.hostname for i in service.status.loadBalancer.ingress} - {""})
            return ",".join([*given, *spec.externalIPs]) or "<pending>"
        case "ExternalName":
            return spec.externalName
        case _:
            return UNKNOWN


def _port(port: ServicePort) -> str:
    node_port = f":{port.nodePort}" if port.nodePort > 0 else ""
    return f"{port.port}{node_port}/{port.protocol}"


def _ports(service: Service, _: Instant) -> str:
    return or_none(",".join(map(_port, service.spec.ports)))


SERVICE_COLUMNS: tuple[Column[Service], ...] = (
    NAME,
    Column(
        "Type",
        lambda service, _: service.spec.type,
        doc="Type of the service: ClusterIP, NodePort, LoadBalancer or ExternalName.",
    ),
    Column("Cluster-IP", _cluster_ip, doc="Virtual address of the service inside the cluster."),
    Column(
        "External-IP",
        _external_ip,
        doc="Addresses of the service outside the cluster; <pending> until the load balancer assigns one.",
    ),
    Column("Port(s)", _ports, doc="Ports of the service, each as port, node port (if any) and protocol."),
    AGE,
    Column(
        "Selector",
        lambda service, _: render_labels(service.spec.selector) or NONE,
        wide=True,
        doc="Labels that all pods of the service carry.",
    ),
)
