"""Services and slices with overrides, and the node of the plans."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

from fairlead.api.core.service.kind import ClientIPConfig, Service, ServicePort, ServiceSpec, SessionAffinityConfig
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from fairlead.api.meta.types import ObjectMeta
from fairlead.net.model import ClusterNetwork
from fairlead.proxy.planning.nodes import node_view
from fairlead.service.node import NodeView
from fairlead.service.wellknown import SERVICE_NAME_LABEL

NETWORK = ClusterNetwork()


def node(index: int = 1) -> NodeView:
    return node_view(f"node{index}", NETWORK.node_ip(index), NETWORK)


def port(number: int = 80, **changes: Any) -> ServicePort:
    fields: dict[str, Any] = {"port": number, "protocol": "TCP"} | changes
    return ServicePort(**fields)


def service(
    name: str = "web", ip: str = "10.96.0.10", ports: Sequence[ServicePort] | None = None, **spec: Any
) -> Service:
    fields: dict[str, Any] = {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "sessionAffinity": "None"}
    return Service(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ServiceSpec(**(fields | {"ports": [port()] if ports is None else list(ports)} | spec)),
    )


def node_port_service(node_port: int = 30080, **changes: Any) -> Service:
    return service(**({"ports": [port(nodePort=node_port)], "type": "NodePort"} | changes))


def sticky(timeout_s: int = 600) -> dict[str, Any]:
    config = SessionAffinityConfig(clientIP=ClientIPConfig(timeoutSeconds=timeout_s))
    return {"sessionAffinity": "ClientIP", "sessionAffinityConfig": config}


def endpoint(ip: str, *, ready: bool | None = True, node_name: str | None = None, **conditions: Any) -> Endpoint:
    return Endpoint(addresses=[ip], conditions=EndpointConditions(ready=ready, **conditions), nodeName=node_name)


def slice_of(
    *endpoints: str | Endpoint,
    service_name: str = "web",
    name: str = "",
    number: int = 8080,
    ports: Sequence[EndpointPort] | None = None,
    **changes: Any,
) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(
            name=name or f"{service_name}-1", namespace="default", labels={SERVICE_NAME_LABEL: service_name}
        ),
        **(
            {
                "addressType": "IPv4",
                "endpoints": [endpoint(e) if isinstance(e, str) else e for e in endpoints],
                "ports": [EndpointPort(port=number, protocol="TCP", name="")] if ports is None else list(ports),
            }
            | changes
        ),
    )


def node_ip(index: int = 1) -> IPv4Address:
    return NETWORK.node_ip(index)
