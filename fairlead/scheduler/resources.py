"""Requests of pods and resources of nodes as whole numbers: cpu in thousandths, all else in units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.container import Container
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
    """Returns the greater of the requests of the containers, which run together, and of each init container, which run
    one after the other before."""
    together = _total(pod.spec.containers, assume)
    sidecars = _total([c for c in pod.spec.initContainers if c.restartPolicy == "Always"], assume)
    needed = _add(together, sidecars)
    for container in pod.spec.initContainers:
        if container.restartPolicy != "Always":
            for name, value in _add(_needs(container, assume), sidecars).items():
                needed[name] = max(needed.get(name, 0), value)
    if pod.spec.resources is not None:
        needed |= amounts(pod.spec.resources.requests)
    return _add(needed, amounts(pod.spec.overhead))


def allocatable_of(node: Node) -> Amounts | None:
    """Returns the allocatable resources; None if the node does not report any, so that every pod fits."""
    resources = node.status.allocatable or node.status.capacity
    return amounts(resources) if resources else None


def _needs(container: Container, assume: bool) -> Amounts:
    asked = amounts(container.resources.requests)
    return _ASSUMED | asked if assume else asked


def _total(containers: Iterable[Container], assume: bool) -> Amounts:
    total: Amounts = {}
    for container in containers:
        total = _add(total, _needs(container, assume))
    return total


def _add(a: Amounts, b: Amounts) -> Amounts:
    return {name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}}
