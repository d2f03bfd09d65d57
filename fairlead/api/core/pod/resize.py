"""The subresource `resize`: writes the cpu and memory of a pod's containers, which its node then changes in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from fairlead.api.core.amounts import Amount
from fairlead.api.core.pod.containers.container import Container, ResourceRequirements
from fairlead.api.core.pod.create import qos_class
from fairlead.api.core.pod.rules import MIRROR
from fairlead.api.core.pod.types import Pod
from fairlead.base.instant import Instant
from fairlead.machinery.values.status import FieldError, forbidden, invalid

RESIZABLE = ("cpu", "memory")
_LISTS = ("initContainers", "containers")


def keep_all_but_resources(old: Pod, new: Pod, _now: Instant) -> None:
    """Restores everything but the resources and resize policies. A pod with other containers is left to the checks."""
    if _order_errors(old, new):
        return
    spec = msgspec.structs.replace(old.spec, resources=new.spec.resources)
    for name in _LISTS:
        pairs = zip(getattr(old.spec, name), getattr(new.spec, name), strict=True)
        setattr(spec, name, [_resized(before, after) for before, after in pairs])
    new.spec = spec


def _resized(before: Container, after: Container) -> Container:
    return msgspec.structs.replace(before, resources=after.resources, resizePolicy=after.resizePolicy)


def resize_changes(old: Pod, new: Pod) -> Iterator[FieldError]:
    """Checks a write of `resize`: cpu and memory can be changed and added, but not removed."""
    if MIRROR in old.metadata.annotations:
        yield forbidden("", "static pods cannot be resized")
        return
    if old.spec.os is not None and old.spec.os.name == "windows":
        yield forbidden("", "windows pods cannot be resized")
        return
    if qos_class(old.spec) != qos_class(new.spec):
        yield invalid("spec", new.status.qosClass, "Pod QOS Class may not change as a result of resizing")
    if _node_cannot(old):
        yield forbidden("spec", "Pod running on node without support for resize")
    yield from _pod_errors(old.spec.resources, new.spec.resources)
    if errors := _order_errors(old, new):
        yield from errors
        return
    for name in _LISTS:
        for i, (before, after) in enumerate(zip(getattr(old.spec, name), getattr(new.spec, name), strict=True)):
            yield from _container_errors(before, after, f"spec.{name}[{i}]", init=name == "initContainers")


def _node_cannot(pod: Pod) -> bool:
    """Returns True if a container runs whose node does not report the resources that it has."""
    running = next((status for status in pod.status.containerStatuses if status.state.running is not None), None)
    return running is not None and running.resources is None


def _order_errors(old: Pod, new: Pod) -> list[FieldError]:
    errors = []
    for name in _LISTS:
        before: Sequence[Container] = getattr(old.spec, name)
        after: Sequence[Container] = getattr(new.spec, name)
        if len(before) != len(after):
            errors.append(forbidden(f"spec.{name}", f"{name} may not be added or removed on resize"))
            continue
        for i, (one, other) in enumerate(zip(before, after, strict=True)):
            if one.name != other.name:
                errors.append(forbidden(f"spec.{name}[{i}].name", f"{name} may not be renamed or reordered on resize"))
    return errors


def _pod_errors(before: ResourceRequirements | None, after: ResourceRequirements | None) -> Iterator[FieldError]:
    """Yields the errors of the amounts of the pod as a whole."""
    if before is None:
        return
    if after is None:
        yield forbidden("spec.resources", "pod-level resources cannot be removed")
        return
    if _removed(before.requests, after.requests):
        yield forbidden("spec.resources.requests", "pod-level resource requests cannot be removed")
    if _removed(before.limits, after.limits):
        yield forbidden("spec.resources.limits", "pod-level resource limits cannot be removed")
    if _fixed(before) != _fixed(after):
        yield forbidden("spec", "only cpu and memory resources are mutable at pod-level")


def _container_errors(before: Container, after: Container, path: str, *, init: bool) -> Iterator[FieldError]:
    if _removed(before.resources.requests, after.resources.requests):
        yield forbidden(f"{path}.resources.requests", "resource requests cannot be removed")
    if _removed(before.resources.limits, after.resources.limits):
        yield forbidden(f"{path}.resources.limits", "resource limits cannot be removed")
    same = msgspec.structs.replace(after, resources=before.resources) == before
    if _fixed(before.resources) != _fixed(after.resources) or not same:
        text = "only cpu and memory resources for init or sidecar containers are mutable"
        yield forbidden(path, text) if init else forbidden("spec", "only cpu and memory resources are mutable")
    restarted = any(rule.restartPolicy == "RestartContainer" for rule in after.resizePolicy)
    if init and before.restartPolicy != "Always" and restarted and before != after:
        text = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
        yield forbidden(path, text)


def _removed(before: Mapping[str, Amount], after: Mapping[str, Amount]) -> bool:
    return any(name not in after for name in before)


def _fixed(resources: ResourceRequirements) -> ResourceRequirements:
    """Returns the parts of the amounts that a resize may not change."""
    limits, requests = (
        {name: amount for name, amount in amounts.items() if name not in RESIZABLE}
        for amounts in (resources.limits, resources.requests)
    )
    return msgspec.structs.replace(resources, limits=limits, requests=requests)
