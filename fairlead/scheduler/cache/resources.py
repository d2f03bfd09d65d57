"""Requests of pods and resources of nodes as whole numbers: cpu in thousandths, all else in units."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.machinery.values.quantity import milli, whole

Amounts = dict[str, int]

# The assumed requests of a container that requests nothing, for scoring only (upstream's numbers).
_ASSUMED = {"cpu": 100, "memory": 200 * 1024 * 1024}


@lru_cache(maxsize=4096)
def _amount(name: str, text: str) -> int:
    return milli(text) if name == "cpu" else whole(text)


def amounts(resources: Mapping[str, object]) -> Amounts:
    """Returns the quantities as numbers: thousandths if the resource is cpu, else units, rounded up."""
    return {name: _amount(name, str(value)) for name, value in resources.items()}


def requests_of(pod: Pod, *, assume: bool = False) -> Amounts:
    """Returns what the pod needs at most at a time: its containers and sidecars together, or one init container with
    the sidecars that were started before it. A container in a resize needs the greater of both amounts."""
    spec = pod.spec
    granted = _granted(pod)
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.initContainers:
        needs = _needs(container, granted, assume)
        if container.restartPolicy == "Always":
            _add(sidecars, needs)
            _raise(starting, sidecars)
        else:
            _add(needs, sidecars)
            _raise(starting, needs)
    needed = dict(sidecars)
    for container in spec.containers:
        _add(needed, _needs(container, granted, assume))
    _raise(needed, starting)
    if spec.resources is not None:
        needed |= amounts(spec.resources.requests)
    if spec.overhead:
        _add(needed, amounts(spec.overhead))
    return needed


def allocatable_of(node: Node) -> Amounts | None:
    """Returns the allocatable resources; None if the node does not report any, so that every pod fits."""
    resources = node.status.allocatable or node.status.capacity
    return amounts(resources) if resources else None


def _granted(pod: Pod) -> Mapping[str, Amounts]:
    """Returns the requests that the node has granted, by container. They differ from the spec during a resize."""
    status = pod.status
    if not pod.spec.nodeName:
        return {}
    granted = {}
    for one in (*status.initContainerStatuses, *status.containerStatuses):
        requests = amounts(one.allocatedResources)
        if one.resources is not None:
            _raise(requests, amounts(one.resources.requests))
        if requests:
            granted[one.name] = requests
    return granted


def _needs(container: Container, granted: Mapping[str, Amounts], assume: bool) -> Amounts:
    asked = amounts(container.resources.requests)
    if container.name in granted:
        _raise(asked, granted[container.name])
    return _ASSUMED | asked if assume else asked


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def _raise(total: Amounts, least: Mapping[str, int]) -> None:
    for name, value in least.items():
        if value > total.get(name, 0):
            total[name] = value
