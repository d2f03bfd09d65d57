"""The ports of its node that a pod takes: asked by the scheduler and by the node itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fairlead.api.core.pod.container import ContainerPort
from fairlead.api.core.pod.kind import Pod

HostPort = tuple[str, str, int]
"""Address, protocol, port."""
ANY_ADDRESS = "0.0.0.0"


def long_running_ports(pod: Pod) -> Iterator[ContainerPort]:
    """The ports of the containers that stay: the main ones and the sidecars."""
    for container in pod.spec.containers:
        yield from container.ports
    for container in pod.spec.initContainers:
        if container.restartPolicy == "Always":
            yield from container.ports


def host_ports(pod: Pod) -> frozenset[HostPort]:
    """The ports of the node itself that the pod takes; on the host's network those are all its ports."""
    found = set()
    for port in long_running_ports(pod):
        number = port.hostPort or (port.containerPort if pod.spec.hostNetwork else 0)
        if number:
            found.add((port.hostIP or ANY_ADDRESS, port.protocol or "TCP", number))
    return frozenset(found)


def clash(wanted: Iterable[HostPort], taken: Iterable[HostPort]) -> bool:
    """Whether two pods with these ports cannot share a node. Every address stands for all of them."""
    others = list(taken)
    return any(a[1:] == b[1:] and (a[0] == b[0] or ANY_ADDRESS in (a[0], b[0])) for a in wanted for b in others)
