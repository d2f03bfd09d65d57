"""The usage of objects of each kind, and the names of a quota that are about the kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from fairlead.api.core.pod.types import Pod
from fairlead.api.core.service.predicates import is_load_balancer, may_have_node_ports, needs_node_ports
from fairlead.api.core.service.types import Service
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, parse_time
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.quantity import Quantity
from fairlead.quota.scopes import claim_in_scope, pod_in_scope, requirements_of
from fairlead.quota.totals import ONE, ZERO, Amounts, pod_limits, pod_requests, read

if TYPE_CHECKING:
    from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
    from fairlead.api.core.resourcequota.kind import ResourceQuota

UNCOUNTED = frozenset({"events", "events.events.k8s.io"})
"""Resources that no quota counts, as upstream: they are not the namespace's users' objects."""
_ALIASES = frozenset({"configmaps", "replicationcontrollers", "resourcequotas", "secrets"})
"""Resources whose number also has the name of the resource alone."""
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_POD_NAMES = frozenset({*_COMPUTE, *(f"{part}.{name}" for part in ("requests", "limits") for name in _COMPUTE), "pods"})
_SERVICE_NAMES = frozenset({"services", "services.loadbalancers", "services.nodeports"})
_CLAIM_NAMES = frozenset({"persistentvolumeclaims", "requests.storage"})
_OF_CLASS = ".storageclass.storage.k8s.io/"
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_MANDATORY = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
"""Resources that each container must set if a quota limits them."""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """The rules by which objects of one kind count."""

    count: str
    """The name of the number of objects: `count/deployments.apps`."""
    usage: Callable[[Any, Instant], Amounts]
    """Returns the amounts that an object uses at a time."""
    concerns: Callable[[str], bool]
    """Returns whether a name of a quota is about the kind."""
    in_scope: Callable[[Any, Any], bool]
    """Returns whether an object meets a condition of a quota."""

    def names(self, hard: Iterable[str]) -> list[str]:
        """Returns the names of a quota that are about the kind."""
        return [name for name in hard if name == self.count or self.concerns(name)]

    def counts(self, quota: ResourceQuota, obj: Any) -> bool:
        """Returns whether the quota counts the object."""
        return bool(self.names(quota.spec.hard)) and all(
            self.in_scope(obj, requirement) for requirement in requirements_of(quota)
        )


def evaluator_of(kind: Kind[Any]) -> Evaluator | None:
    """Returns how objects of the kind count; None if no quota counts them."""
    if kind.resource in UNCOUNTED or not kind.namespaced:
        return None
    count = f"count/{kind.resource}"
    if kind.resource in _OWN:
        usage, concerns, in_scope = _OWN[kind.resource]
        return Evaluator(count, usage, concerns, in_scope)
    names = {kind.plural} if kind.resource in _ALIASES else set()
    amounts: Amounts = dict.fromkeys((count, *names), ONE)
    return Evaluator(count, lambda _, __: amounts, names.__contains__, _in_no_scope)


def missing_in_containers(pod: Pod, names: Iterable[str]) -> str:
    """Returns which containers lack a request or limit that a quota demands, as text; empty if none does."""
    if pod.spec.resources is not None and (pod.spec.resources.requests or pod.spec.resources.limits):
        return ""
    required = _MANDATORY & set(names)
    missing: dict[str, list[str]] = {}
    for container in (*pod.spec.containers, *pod.spec.initContainers):
        given = _compute(read(container.resources.requests), read(container.resources.limits))
        for name in required - given.keys():
            missing.setdefault(name, []).append(container.name)
    if not missing:
        return ""
    texts = (f"{name} for: {','.join(sorted(set(missing[name])))}" for name in sorted(missing))
    return f"must specify {'; '.join(texts)}"


def _is_of_pods(name: str) -> bool:
    requested = name.removeprefix("requests.")
    extended = name.startswith("requests.") and "/" in name and _OF_CLASS not in name
    native = "kubernetes.io/" in requested and not requested.startswith("deviceclass.resource.kubernetes.io/")
    return name in _POD_NAMES or requested.startswith("hugepages-") or (extended and not native)


def _pod_usage(pod: Pod, now: Instant) -> Amounts:
    found: Amounts = {"count/pods": ONE}
    if not _is_active(pod, now):
        return found
    requests, limits = pod_requests(pod.spec, overhead=True), pod_limits(pod.spec, overhead=True)
    return found | {"pods": ONE} | _compute(requests, limits)


def _is_active(pod: Pod, now: Instant) -> bool:
    """Returns whether a Pod counts: not if it has ended, or is long overdue on a lost node."""
    if pod.status.phase in ("Failed", "Succeeded"):
        return False
    meta = pod.metadata
    if meta.deletionTimestamp is None or meta.deletionGracePeriodSeconds is None:
        return True
    return now <= parse_time(meta.deletionTimestamp) + meta.deletionGracePeriodSeconds


def _compute(requests: Amounts, limits: Amounts) -> Amounts:
    found: Amounts = {}
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith("hugepages-"):
            found[name] = found[f"requests.{name}"] = amount
        elif "/" in name and "kubernetes.io/" not in name:
            found[f"requests.{name}"] = amount
    for name in _COMPUTE:
        if name in limits:
            found[f"limits.{name}"] = limits[name]
    return found


def _service_usage(service: Service, _: Instant) -> Amounts:
    spec = service.spec
    ports = 0
    if needs_node_ports(spec):
        ports = len(spec.ports)
    elif may_have_node_ports(spec):
        ports = sum(1 for port in spec.ports if port.nodePort)
    return {
        "count/services": ONE,
        "services": ONE,
        "services.loadbalancers": ONE if is_load_balancer(spec) else ZERO,
        "services.nodeports": Quantity(Fraction(ports), "decimal"),
    }


def _is_of_claims(name: str) -> bool:
    return name in _CLAIM_NAMES or any(name.endswith(f"{_OF_CLASS}{one}") for one in _CLAIM_NAMES)


def _claim_usage(claim: PersistentVolumeClaim, _: Instant) -> Amounts:
    found: Amounts = {"count/persistentvolumeclaims": ONE, "persistentvolumeclaims": ONE}
    storage = _storage(claim)
    if storage is not None:
        found["requests.storage"] = storage
    name = claim.metadata.annotations.get(_CLASS_ANNOTATION) or claim.spec.storageClassName
    if name:
        found |= {f"{name}{_OF_CLASS}{key}": found[key] for key in _CLAIM_NAMES if key in found}
    return found


def _storage(claim: PersistentVolumeClaim) -> Quantity | None:
    """Returns the requested storage in whole bytes, or what is allocated if that is more."""
    requested = read(claim.spec.resources.requests).get("storage")
    allocated = read(claim.status.allocatedResources or {}).get("storage")
    if requested is None:
        return None
    most = allocated if allocated is not None and allocated.value > requested.value else requested
    return Quantity(Fraction(math.ceil(most.value)), most.notation)


def _in_no_scope(_: Any, __: Any) -> bool:
    return False


_OWN: dict[str, tuple[Callable[[Any, Instant], Amounts], Callable[[str], bool], Callable[[Any, Any], bool]]] = {
    "pods": (_pod_usage, _is_of_pods, pod_in_scope),
    "services": (_service_usage, _SERVICE_NAMES.__contains__, _in_no_scope),
    "persistentvolumeclaims": (_claim_usage, _is_of_claims, claim_in_scope),
}
"""Rules for objects that use more than their number, by resource."""
