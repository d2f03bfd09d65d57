"""The scopes of a quota: which Pods and claims it counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fairlead.api.core.pod.create import qos_class
from fairlead.api.core.pod.types import Pod

if TYPE_CHECKING:
    from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
    from fairlead.api.core.resourcequota.kind import ResourceQuota, ScopedResourceSelectorRequirement


def requirements_of(quota: ResourceQuota) -> list[ScopedResourceSelectorRequirement]:
    """Returns all conditions on the counted objects; a scope is a condition that it exists."""
    from fairlead.api.core.resourcequota.kind import ScopedResourceSelectorRequirement

    spec = quota.spec
    scopes = [ScopedResourceSelectorRequirement(scopeName=name, operator="Exists") for name in spec.scopes]
    return [*scopes, *(spec.scopeSelector.matchExpressions if spec.scopeSelector is not None else ())]


def is_terminating(pod: Pod) -> bool:
    """Returns whether the Pod has a deadline."""
    return pod.spec.activeDeadlineSeconds is not None and pod.spec.activeDeadlineSeconds >= 0


def pod_in_scope(pod: Pod, requirement: ScopedResourceSelectorRequirement) -> bool:
    """Returns whether the Pod meets one condition."""
    match requirement.scopeName:
        case "Terminating":
            return is_terminating(pod)
        case "NotTerminating":
            return not is_terminating(pod)
        case "BestEffort":
            return qos_class(pod.spec) == "BestEffort"
        case "NotBestEffort":
            return qos_class(pod.spec) != "BestEffort"
        case "PriorityClass":
            name = pod.spec.priorityClassName
            return _selects(requirement, [name] if name else [])
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(pod)
        case _:
            return False


def claim_in_scope(claim: PersistentVolumeClaim, requirement: ScopedResourceSelectorRequirement) -> bool:
    """Returns whether the claim meets one condition."""
    if requirement.scopeName != "VolumeAttributesClass":
        return False
    modify = claim.status.modifyVolumeStatus
    names = {
        claim.spec.volumeAttributesClassName,
        claim.status.currentVolumeAttributesClassName,
        modify.targetVolumeAttributesClassName if modify is not None else None,
    }
    return _selects(requirement, sorted(name for name in names if name))


def _selects(requirement: ScopedResourceSelectorRequirement, values: list[str]) -> bool:
    """Returns whether any of an object's values meets the condition."""
    match requirement.operator:
        case "Exists":
            return bool(values)
        case "DoesNotExist":
            return not values
        case "In":
            return any(value in requirement.values for value in values)
        case "NotIn":
            return not values or any(value not in requirement.values for value in values)
        case _:
            return False


def _crosses_namespaces(pod: Pod) -> bool:
    return any(bool(term.namespaces) or term.namespaceSelector is not None for term in _terms(pod))


def _terms(pod: Pod) -> Iterator[Any]:
    affinity = pod.spec.affinity
    both: Iterable[Any] = (affinity.podAffinity, affinity.podAntiAffinity) if affinity is not None else ()
    for one in both:
        if one is not None:
            yield from one.requiredDuringSchedulingIgnoredDuringExecution
            yield from (w.podAffinityTerm for w in one.preferredDuringSchedulingIgnoredDuringExecution)
