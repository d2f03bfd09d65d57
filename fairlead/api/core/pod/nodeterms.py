"""Matches nodes against a pod's nodeSelector and node affinity."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.placement.affinity import NodeSelectorRequirement, NodeSelectorTerm
from fairlead.api.core.pod.types import Pod
from fairlead.base.numbers import integer


def matches_required(pod: Pod, node: Node) -> bool:
    labels = node.metadata.labels
    if not pod.spec.nodeSelector.items() <= labels.items():
        return False
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    return required is None or any(matches_term(term, node) for term in required.nodeSelectorTerms)


def preferred_weight(pod: Pod, node: Node) -> int:
    """Returns the sum of the weights of the preferences that the node meets."""
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    if affinity is None:
        return 0
    terms = affinity.preferredDuringSchedulingIgnoredDuringExecution
    return sum(term.weight for term in terms if matches_term(term.preference, node))


def matches_term(term: NodeSelectorTerm, node: Node) -> bool:
    """Returns whether all requirements of the term hold; a term without any matches nothing."""
    if not (term.matchExpressions or term.matchFields):
        return False
    fields = {"metadata.name": node.metadata.name}
    return all(_holds(r, node.metadata.labels) for r in term.matchExpressions) and all(
        _holds(r, fields) for r in term.matchFields
    )


def _holds(requirement: NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(requirement, value)
        case _:
            return False


def _compares(requirement: NodeSelectorRequirement, value: str | None) -> bool:
    try:
        have, bound = integer(value or ""), integer(requirement.values[0])
    except (ValueError, IndexError):
        return False
    return have > bound if requirement.operator == "Gt" else have < bound
