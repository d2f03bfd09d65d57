"""Checks of affinity, tolerations and topology spread."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.pod.placement.affinity import (
    Affinity,
    NodeAffinity,
    NodeSelector,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    Toleration,
    TopologySpreadConstraint,
)
from fairlead.api.meta.rules import label_selector, requirement
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid, not_supported, required

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")


def affinity_errors(affinity: Affinity, path: str) -> Iterator[FieldError]:
    if affinity.nodeAffinity is not None:
        yield from _node_errors(affinity.nodeAffinity, f"{path}.nodeAffinity")
    if affinity.podAffinity is not None:
        yield from _pod_errors(affinity.podAffinity, f"{path}.podAffinity")
    if affinity.podAntiAffinity is not None:
        yield from _pod_errors(affinity.podAntiAffinity, f"{path}.podAntiAffinity")


def _node_errors(affinity: NodeAffinity, path: str) -> Iterator[FieldError]:
    selector = affinity.requiredDuringSchedulingIgnoredDuringExecution
    if selector is not None:
        yield from node_selector_errors(selector, f"{path}.{_REQUIRED}")
    for i, preferred in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution):
        where = f"{path}.{_PREFERRED}[{i}]"
        yield from _weight_errors(preferred.weight, f"{where}.weight")
        yield from _term_errors(preferred.preference, f"{where}.preference")


def node_selector_errors(selector: NodeSelector, path: str) -> Iterator[FieldError]:
    where = f"{path}.nodeSelectorTerms"
    if not selector.nodeSelectorTerms:
        yield required(where, "must have at least one node selector term")
    for i, term in enumerate(selector.nodeSelectorTerms):
        yield from _term_errors(term, f"{where}[{i}]")


def _term_errors(term: NodeSelectorTerm, path: str) -> Iterator[FieldError]:
    for i, need in enumerate(term.matchExpressions):
        where = f"{path}.matchExpressions[{i}]"
        yield from requirement(need.operator, need.values, where, numeric=True)
        for text in names.qualified_name(need.key):
            yield invalid(f"{where}.key", need.key, text)
    for i, need in enumerate(term.matchFields):
        where = f"{path}.matchFields[{i}]"
        if need.operator not in ("In", "NotIn"):
            yield invalid(f"{where}.operator", need.operator, "not a valid selector operator")
        elif len(need.values) != 1:
            yield required(
                f"{where}.values", "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            )
        if need.key != "metadata.name":
            yield invalid(f"{where}.key", need.key, "not a valid field selector key")


def _weight_errors(weight: int, path: str) -> Iterator[FieldError]:
    if not 1 <= weight <= 100:
        yield invalid(path, weight, "must be in the range 1-100")


def _pod_errors(affinity: PodAffinity | PodAntiAffinity, path: str) -> Iterator[FieldError]:
    for i, term in enumerate(affinity.requiredDuringSchedulingIgnoredDuringExecution):
        yield from _pod_term_errors(term, f"{path}.{_REQUIRED}[{i}]")
    for i, weighted in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution):
        where = f"{path}.{_PREFERRED}[{i}]"
        yield from _weight_errors(weighted.weight, f"{where}.weight")
        yield from _pod_term_errors(weighted.podAffinityTerm, f"{where}.podAffinityTerm")


def _pod_term_errors(term: PodAffinityTerm, path: str) -> Iterator[FieldError]:
    if term.labelSelector is not None:
        yield from label_selector(term.labelSelector, f"{path}.labelSelector")
    if term.namespaceSelector is not None:
        yield from label_selector(term.namespaceSelector, f"{path}.namespaceSelector")
    for i, namespace in enumerate(term.namespaces):
        for text in names.dns1123_label(namespace):
            yield invalid(f"{path}.namespaces[{i}]", namespace, text)
    yield from _topology_errors(term.topologyKey, f"{path}.topologyKey")


def _topology_errors(key: str, path: str) -> Iterator[FieldError]:
    if not key:
        yield required(path, "can not be empty")
    for text in names.qualified_name(key) if key else ():
        yield invalid(path, key, text)


def toleration_errors(tolerations: list[Toleration], path: str) -> Iterator[FieldError]:
    for i, toleration in enumerate(tolerations):
        where = f"{path}[{i}]"
        for text in names.qualified_name(toleration.key) if toleration.key else ():
            yield invalid(f"{where}.key", toleration.key, text)
        if not toleration.key and toleration.operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(f"{where}.operator", toleration.operator, text)
        if toleration.tolerationSeconds is not None and toleration.effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield invalid(f"{where}.effect", toleration.effect, text)
        yield from _operator_errors(toleration, where)
        if toleration.effect and toleration.effect not in _EFFECTS:
            yield not_supported(f"{where}.effect", toleration.effect, _EFFECTS)


def _operator_errors(toleration: Toleration, path: str) -> Iterator[FieldError]:
    match toleration.operator:
        case "" | "Equal":
            for text in names.label_value(toleration.value):
                yield invalid(f"{path}.operator", toleration.value, text)
        case "Exists":
            if toleration.value:
                yield invalid(f"{path}.operator", toleration.value, "value must be empty when `operator` is 'Exists'")
        case other:
            yield not_supported(f"{path}.operator", other, ("Equal", "Exists"))


def spread_errors(constraints: list[TopologySpreadConstraint], path: str) -> Iterator[FieldError]:
    seen: set[tuple[str, str]] = set()
    for i, constraint in enumerate(constraints):
        where = f"{path}[{i}]"
        if constraint.maxSkew <= 0:
            yield invalid(f"{where}.maxSkew", constraint.maxSkew, "must be greater than zero")
        if not constraint.topologyKey:
            yield required(f"{where}.topologyKey", "can not be empty")
        if not constraint.whenUnsatisfiable:
            choices = ("DoNotSchedule", "ScheduleAnyway")
            yield not_supported(f"{where}.whenUnsatisfiable", "", choices)
        pair = (constraint.topologyKey, constraint.whenUnsatisfiable)
        if pair in seen:
            yield duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", f"{{{pair[0]}, {pair[1]}}}")
        seen.add(pair)
        if constraint.minDomains is not None and constraint.minDomains <= 0:
            yield invalid(f"{where}.minDomains", constraint.minDomains, "must be greater than zero")
        if constraint.labelSelector is not None:
            yield from label_selector(constraint.labelSelector, f"{where}.labelSelector")
