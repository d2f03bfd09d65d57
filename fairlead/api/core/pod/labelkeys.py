"""Adds the values of `matchLabelKeys` and `mismatchLabelKeys` to the selectors of a new pod, as upstream does.

So the terms go on to mean the same pods if the labels of the pod change later. Source: KEP-3633 and KEP-3243.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.api.core.pod.placement.affinity import PodAffinityTerm
from fairlead.api.core.pod.types import Pod
from fairlead.api.meta.types import LabelSelector, LabelSelectorRequirement


def merge_label_keys(pod: Pod) -> None:
    labels = pod.metadata.labels
    for term in _terms(pod):
        _merge(term.labelSelector, term.matchLabelKeys, "In", labels)
        _merge(term.labelSelector, term.mismatchLabelKeys, "NotIn", labels)
    for constraint in pod.spec.topologySpreadConstraints:
        _merge(constraint.labelSelector, constraint.matchLabelKeys, "In", labels)


def _terms(pod: Pod) -> Iterable[PodAffinityTerm]:
    affinity = pod.spec.affinity
    for part in (affinity.podAffinity, affinity.podAntiAffinity) if affinity is not None else ():
        if part is not None:
            yield from part.requiredDuringSchedulingIgnoredDuringExecution
            yield from (one.podAffinityTerm for one in part.preferredDuringSchedulingIgnoredDuringExecution)


def _merge(selector: LabelSelector | None, keys: Iterable[str], operator: str, labels: Mapping[str, str]) -> None:
    """Adds a requirement for each key that is a label of the pod. An absent selector selects nothing, and stays."""
    if selector is not None:
        added = [LabelSelectorRequirement(key=k, operator=operator, values=[labels[k]]) for k in keys if k in labels]
        selector.matchExpressions = [*selector.matchExpressions, *added]
