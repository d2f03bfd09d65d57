"""Sets the requests and limits that containers leave out, and refuses Pods and claims outside of a LimitRange.

Source: upstream's admission plug-in LimitRanger and its texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fairlead.api.core.limitrange import LIMIT_RANGE
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.quantity import Quantity
from fairlead.quota.totals import ZERO, Amounts, pod_limits, pod_requests, read

if TYPE_CHECKING:
    from fairlead.api.core.limitrange.kind import LimitRange, LimitRangeItem

_ANNOTATION = "kubernetes.io/limit-ranger"
_MILLI_BOUND = (2**63 - 1) // 1000
"""Amounts up to this bound are compared in thousandths, others in units."""


class LimitRanger(AdmissionPlugin):
    """Holds Pods and claims to the LimitRanges of their namespace."""

    name = "LimitRanger"

    def __init__(self, resources: Resources) -> None:
        self._ranges = resources.of(LIMIT_RANGE).cache
        self._any = False

    def follow(self, changed: Callable[[], None]) -> None:
        def notice(_: object) -> None:
            if self._any is not bool(len(self._ranges)):
                changed()

        self._ranges.listeners[self] = notice

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        self._any = bool(len(self._ranges))
        if not self._any:
            return False
        if kind is POD:
            return (operation, subresource) in (("CREATE", ""), ("UPDATE", "resize"))
        return kind is PERSISTENT_VOLUME_CLAIM and operation in ("CREATE", "UPDATE") and not subresource

    async def admit(self, attributes: Attributes) -> None:
        if attributes.kind is POD and not _is_deleted(attributes.old):
            for found in self._of(attributes.namespace):
                _complete(attributes.obj, found)

    async def validate(self, attributes: Attributes) -> None:
        if _is_deleted(attributes.old):
            return
        for found in self._of(attributes.namespace):
            problems = _pod_problems if attributes.kind is POD else _claim_problems
            texts = [text for item in found.spec.limits for text in problems(attributes.obj, item)]
            if texts:
                unique = list(dict.fromkeys(texts))
                raise attributes.denied(unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")

    def _of(self, namespace: str) -> Iterator[LimitRange]:
        return (entry.decode() for entry in self._ranges.select(namespace))


def _is_deleted(obj: Any) -> bool:
    return obj is not None and obj.metadata.deletionTimestamp is not None


def _complete(pod: Pod, found: LimitRange) -> None:
    """Sets the defaults of a LimitRange in all containers, and notes them in an annotation."""
    requests: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for item in found.spec.limits:
        if item.type == "Container":
            requests |= item.defaultRequest
            limits |= item.default
    notes: list[str] = []
    for what, containers in (("container", pod.spec.containers), ("init container", pod.spec.initContainers)):
        for container in containers:
            notes += _set(container, requests, limits, what)
    if notes:
        pod.metadata.annotations[_ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"


def _set(container: Container, requests: Mapping[str, Any], limits: Mapping[str, Any], what: str) -> Iterator[str]:
    """Sets what a container leaves out; yields a note for requests and one for limits."""
    resources = container.resources
    for word, given, defaults in (("request", resources.requests, requests), ("limit", resources.limits, limits)):
        missing = sorted(name for name in defaults if name not in given)
        given.update({name: defaults[name] for name in missing})
        if missing:
            yield f"{', '.join(missing)} {word} for {what} {container.name}"


def _pod_problems(pod: Pod, item: LimitRangeItem) -> Iterator[str]:
    if item.type == "Container":
        for container in (*pod.spec.containers, *pod.spec.initContainers):
            resources = container.resources
            yield from _problems(item, read(resources.requests), read(resources.limits))
    elif item.type == "Pod":
        yield from _problems(item, pod_requests(pod.spec, overhead=False), pod_limits(pod.spec, overhead=False))


def _problems(item: LimitRangeItem, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in sorted(read(item.min).items()):
        yield from _below(item.type, name, bound, requests.get(name), limits.get(name))
    for name, bound in sorted(read(item.max).items()):
        yield from _above(item.type, name, bound, requests.get(name), limits.get(name))
    for name, bound in sorted(read(item.maxLimitRequestRatio).items()):
        yield from _ratio(item.type, name, bound, requests.get(name), limits.get(name))


def _claim_problems(claim: Any, item: LimitRangeItem) -> Iterator[str]:
    if item.type != "PersistentVolumeClaim":
        return
    requests = read(claim.spec.resources.requests)
    for name, bound in sorted(read(item.min).items()):
        yield from _below(item.type, name, bound, requests.get(name), None)
    for name, bound in sorted(read(item.max).items()):
        head, request = f"maximum {name} usage per {item.type} is {bound}", requests.get(name)
        if request is None:
            yield f"{head}.  No request is specified"
        elif _exceeds(request, bound):
            yield f"{head}, but request is {request}"


def _below(type: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    head = f"minimum {name} usage per {type} is {bound}"
    if request is None:
        yield f"{head}.  No request is specified"
    elif _exceeds(bound, request):
        yield f"{head}, but request is {request}"
    elif limit is not None and _exceeds(bound, limit):
        yield f"{head}, but limit is {limit}"


def _above(type: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    head = f"maximum {name} usage per {type} is {bound}"
    if limit is None:
        yield f"{head}.  No limit is specified"
    elif _exceeds(limit, bound):
        yield f"{head}, but limit is {limit}"
    elif request is not None and _exceeds(request, bound):
        yield f"{head}, but request is {request}"


def _ratio(type: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    head = f"{name} max limit to request ratio per {type} is {bound}"
    asked, most = request or ZERO, limit or ZERO
    if not asked.value:
        yield f"{head}, but no request is specified or request is 0"
    elif not most.value:
        yield f"{head}, but no limit is specified or limit is 0"
    else:
        ratio = _comparable(most, asked)[0] / _comparable(asked, most)[0]
        if ratio > bound.value:
            yield f"{head}, but provided ratio is {ratio:.6f}"


def _exceeds(one: Quantity, other: Quantity) -> bool:
    left, right = _comparable(one, other)
    return left > right


def _comparable(one: Quantity, other: Quantity) -> tuple[int, int]:
    """Returns both amounts in thousandths, or in units if one is too large for that."""
    unit = 1000 if max(one.value, other.value) <= _MILLI_BOUND else 1
    return math.ceil(one.value * unit), math.ceil(other.value * unit)
