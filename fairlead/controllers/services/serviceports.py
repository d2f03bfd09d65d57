"""Which pods stand behind a Service, and at which port numbers: shared by EndpointSlices and Endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fairlead.api.core.pod.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.service.kind import Service, ServicePort
from fairlead.controllers.workloads.podfacts import is_finished, is_ready

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """One port of a Service as one pod serves it."""

    name: str
    protocol: str
    number: int
    app_protocol: str = ""


def selects_pods(service: Service) -> bool:
    return service.spec.type != "ExternalName" and bool(service.spec.selector)


def is_headless(service: Service) -> bool:
    return service.spec.clusterIP == "None"


def families_of(service: Service) -> tuple[str, ...]:
    """The address families that its endpoints have, the first one first."""
    if service.spec.ipFamilies:
        return tuple(dict.fromkeys(service.spec.ipFamilies))
    # The server fills them in; an object that never passed it is judged by its address.
    return ("IPv6",) if ":" in service.spec.clusterIP else ("IPv4",)


def address_of(pod: Pod, family: str) -> str:
    """The pod's address in a family, or nothing."""
    wants_v6 = family == "IPv6"
    for ip in [entry.ip for entry in pod.status.podIPs] or [pod.status.podIP]:
        if ip and (":" in ip) == wants_v6:
            return ip
    return ""


def has_endpoint(pod: Pod) -> bool:
    """Whether anything can be sent to the pod: it has an address and has not finished."""
    return bool(pod.status.podIP or pod.status.podIPs) and not is_finished(pod)


def serves(pod: Pod, service: Service) -> bool:
    """Ready by its probes, or the Service does not mind."""
    return is_ready(pod) or service.spec.publishNotReadyAddresses


def ports_of(service: Service, pod: Pod) -> tuple[Port, ...]:
    """Every port of the Service that the pod has, sorted; a named target port that it lacks is left out."""
    found = []
    for port in service.spec.ports:
        number = _target(port, pod)
        if number:
            found.append(Port(port.name, port.protocol or "TCP", number, port.appProtocol or ""))
    return tuple(sorted(found))


def hostname_of(pod: Pod, service: Service) -> str:
    """The pod's own name below the Service's, if it asks for one."""
    if pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        return pod.spec.hostname
    return ""


def _target(port: ServicePort, pod: Pod) -> int:
    target = port.targetPort
    if isinstance(target, int):
        return target or port.port
    if not target:
        return port.port
    protocol = port.protocol or "TCP"
    for container in _long_running(pod):
        for candidate in container.ports:
            if candidate.name == target and (candidate.protocol or "TCP") == protocol:
                return candidate.containerPort
    return 0


def _long_running(pod: Pod) -> Iterator[Container]:
    yield from pod.spec.containers
    yield from (c for c in pod.spec.initContainers if c.restartPolicy == "Always")
