"""Ports of the node that a pod occupies; used by the scheduler and the node agent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fairlead.api.core.pod.containers.container import ContainerPort
from fairlead.api.core.pod.kind import Pod

HostPort = tuple[str, str, int]
"""Address, protocol and port."""
ANY_ADDRESS = "0.0.0.0"


def long_running_ports(pod: Pod) -> Iterator[ContainerPort]:
    """Yields the ports of the containers that keep running: the main containers and the sidecars."""
    for container in pod.spec.containers:
        yield from container.ports
    for container in pod.spec.initContainers:
        if container.restartPolicy == "Always":
            yield from container.ports


def host_ports(pod: Pod) -> frozenset[HostPort]:
    """Returns the node ports that the pod occupies: all its ports if the pod uses the node's network."""
    ports = set()
    for port in long_running_ports(pod):
        number = port.hostPort or (port.containerPort if pod.spec.hostNetwork else 0)
        if number:
            ports.add((port.hostIP or ANY_ADDRESS, port.protocol or "TCP", number))
    return frozenset(ports)


def conflicts(ports: Iterable[HostPort], taken: Iterable[HostPort]) -> bool:
    """Returns true if two pods with these ports cannot share a node; `0.0.0.0` conflicts with every address."""
    others = list(taken)
    return any(a[1:] == b[1:] and (a[0] == b[0] or ANY_ADDRESS in (a[0], b[0])) for a in ports for b in others)
