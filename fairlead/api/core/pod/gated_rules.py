"""Checks of the scheduling directives of a gated pod, which an update may only make narrower.

Source: KEP-3838, and the texts of upstream's validation.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fairlead.api.core.pod.placement.affinity import Affinity, NodeAffinity, NodeSelectorTerm
from fairlead.api.core.pod.spec import PodSpec
from fairlead.machinery.values.status import FieldError, invalid

_TERMS = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


def directive_changes(before: PodSpec, after: PodSpec) -> Iterator[FieldError]:
    """Yields errors of changes to the node selector and the node affinity that do not only add requirements."""
    if not before.nodeSelector.items() <= after.nodeSelector.items():
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        yield invalid("spec.nodeSelector", after.nodeSelector, text)
    old, new = _terms(before), _terms(after)
    if old and len(old) != len(new):
        yield invalid(_TERMS, _trees(new), "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
        return
    for i, term in enumerate(old):
        if not _only_adds(term, new[i]):
            yield invalid(f"{_TERMS}[{i}]", _trees(new[i]), "only additions are allowed (no mutations or deletions)")


def with_directives(before: PodSpec, after: PodSpec) -> PodSpec:
    """Returns the old spec with the node selector and the node affinity of the new one."""
    node = after.affinity.nodeAffinity if after.affinity is not None else None
    affinity = before.affinity
    if affinity is not None:
        affinity = msgspec.structs.replace(affinity, nodeAffinity=node)
    elif node is not None:
        affinity = Affinity(nodeAffinity=node)
    if affinity == Affinity() and after.affinity is None:
        affinity = None
    return msgspec.structs.replace(before, nodeSelector=after.nodeSelector, affinity=affinity)


def _terms(spec: PodSpec) -> list[NodeSelectorTerm]:
    affinity: NodeAffinity | None = spec.affinity.nodeAffinity if spec.affinity is not None else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    return required.nodeSelectorTerms if required is not None else []


def _only_adds(old: NodeSelectorTerm, new: NodeSelectorTerm) -> bool:
    if not (old.matchExpressions or old.matchFields):
        return not (new.matchExpressions or new.matchFields)
    return (
        new.matchExpressions[: len(old.matchExpressions)] == old.matchExpressions
        and new.matchFields[: len(old.matchFields)] == old.matchFields
    )


def _trees(terms: list[NodeSelectorTerm] | NodeSelectorTerm) -> object:
    tree: object = msgspec.to_builtins(terms)
    return tree
