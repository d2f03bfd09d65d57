"""Changes of a running pod's cpu and memory: what the node grants, and which containers still lack it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Literal

from fairlead.api.core.amounts import Amount, total, value
from fairlead.api.core.pod.containers.container import Container, ResourceRequirements
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.resize import RESIZABLE
from fairlead.node.pods.deciding.state import ContainerState, PodState, own_containers, sidecar


def grant(pod: Pod, pod_state: PodState, others: Iterable[Pod], allocatable: Mapping[str, str]) -> bool:
    """Grants the amounts of the spec if the node has them; returns whether anything has changed. The first amounts of
    a pod are granted always: the scheduler has chosen the node for them."""
    asked = {container.name: container.resources for container in own_containers(pod)}
    if asked == pod_state.allocated:
        changed = bool(pod_state.resize)
        pod_state.resize, pod_state.resize_message = "", ""
        return changed
    if not pod_state.allocated.keys() >= asked.keys():
        pod_state.allocated = asked
        return False
    verdict, message = _verdict(pod, others, allocatable)
    changed = (verdict, message) != (pod_state.resize, pod_state.resize_message) or not verdict
    pod_state.resize, pod_state.resize_message = verdict, message
    if not verdict:
        pod_state.allocated = asked
    return changed


def _verdict(
    pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, str]
) -> tuple[Literal["", "Deferred", "Infeasible"], str]:
    rest = list(others)
    for name in RESIZABLE:
        capacity, needed = value(allocatable.get(name, "0")), requested(pod, name)
        if needed > capacity:
            text = f"Node didn't have enough capacity: {name}, requested: {_text(needed)}, capacity: {_text(capacity)}"
            return "Infeasible", text
        used = sum((requested(other, name) for other in rest), value("0"))
        if needed + used > capacity:
            amounts = f"requested: {_text(needed)}, used: {_text(used)}, capacity: {_text(capacity)}"
            return "Deferred", f"Node didn't have enough resource: {name}, {amounts}"
    return "", ""


def requested(pod: Pod, name: str) -> Fraction:
    """Returns the amount that a pod reserves on its node."""
    if pod.spec.resources is not None and name in pod.spec.resources.requests:
        return value(str(pod.spec.resources.requests[name]))
    running = [*pod.spec.containers, *(c for c in pod.spec.initContainers if sidecar(c))]
    needed = total(c.resources.requests.get(name, 0) for c in running)
    for container in pod.spec.initContainers:
        needed = max(needed, value(str(container.resources.requests.get(name, 0))))
    return needed


def lacking(pod: Pod, pod_state: PodState) -> Iterator[Container]:
    """Yields the running containers whose run has other amounts than those granted."""
    for container in own_containers(pod):
        state = pod_state.of(container.name)
        if state.phase == "running" and lacks(state, pod_state.allocated.get(container.name)):
            yield container


def lacks(state: ContainerState, granted: ResourceRequirements | None) -> bool:
    if state.resources is None or granted is None or state.resources is granted:
        return False
    return any(True for _ in _changed(state.resources, granted))


def needs_restart(container: Container, state: ContainerState, granted: ResourceRequirements) -> bool:
    """Returns True if the container's policy for a changed amount says so."""
    policies = {rule.resourceName: rule.restartPolicy for rule in container.resizePolicy}
    changed = _changed(state.resources, granted) if state.resources is not None else ()
    return any(policies.get(name) == "RestartContainer" for name in changed)


def _changed(before: ResourceRequirements, after: ResourceRequirements) -> Iterator[str]:
    for name in RESIZABLE:
        if _value(before.limits, name) != _value(after.limits, name) or _value(before.requests, name) != _value(
            after.requests, name
        ):
            yield name


def _value(amounts: Mapping[str, Amount], name: str) -> Fraction | None:
    return value(str(amounts[name])) if name in amounts else None


def _text(amount: Fraction) -> str:
    return f"{float(amount):g}" if amount.denominator != 1 else str(amount)
