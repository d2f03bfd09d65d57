"""Finds the port of a slice or a Pod for a Service's port: by name and protocol, or by the target's number or name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fairlead.api.core.service.spec import ServicePort
from fairlead.api.core.service.types import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.dataclass import dataclass
from fairlead.service.decisions import DEFAULT_PROTOCOL, port_id

if TYPE_CHECKING:
    from fairlead.api.core.pod.containers.container import Container
    from fairlead.api.core.pod.types import Pod


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """One port of a Service as one Pod serves it."""

    name: str
    protocol: str
    number: int
    app_protocol: str = ""


def slice_ports(port: ServicePort, piece: EndpointSlice) -> list[int]:
    """Returns the numbers at which the slice's endpoints serve the Service's port."""
    id_ = port_id(port.name, port.protocol)
    return [p.port for p in piece.ports if p.port and port_id(p.name, p.protocol) == id_]


def pod_ports(service: Service, pod: Pod) -> tuple[Port, ...]:
    """Returns every port of the Service that the Pod has, sorted, without named target ports that it lacks."""
    ports = []
    for port in service.spec.ports:
        number = target_port(port, pod)
        if number:
            ports.append(Port(port.name, port.protocol or DEFAULT_PROTOCOL, number, port.appProtocol or ""))
    return tuple(sorted(ports))


def target_port(port: ServicePort, pod: Pod) -> int:
    """Returns the number at which the Pod serves the Service's port; 0 if no container has the named port."""
    target = port.targetPort
    if isinstance(target, int):
        return target or port.port
    if not target:
        return port.port
    id_ = port_id(target, port.protocol)
    for container in _long_running(pod):
        for candidate in container.ports:
            if port_id(candidate.name, candidate.protocol) == id_:
                return candidate.containerPort
    return 0


def _long_running(pod: Pod) -> Iterator[Container]:
    yield from pod.spec.containers
    yield from (c for c in pod.spec.initContainers if c.restartPolicy == "Always")
