"""Topology selector terms: choices of nodes by the values of their topology labels."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.types import Record, empty_list
from fairlead.machinery.kinds.kind import Atomic, Doc
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid, required

OLD_NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
"""Deprecated labels of nodes, with the text that upstream warns with."""


class TopologySelectorLabelRequirement(Record):
    """Condition that a topology label of a node has one of several values."""

    key: Annotated[str, Doc("Key of the topology label that the requirement is about.")] = msgspec.field(
        default_factory=str
    )
    values: Annotated[
        list[str], Atomic(), Doc("Values of the label of which the node must have one; at least one is required.")
    ] = msgspec.field(default_factory=empty_list)


class TopologySelectorTerm(Record):
    """Choice of nodes by their topology labels; all conditions must be met."""

    matchLabelExpressions: Annotated[
        list[TopologySelectorLabelRequirement],
        Atomic(),
        Doc("Requirements on the topology labels of a node; all must be met."),
    ] = []


def topology_errors(terms: list[TopologySelectorTerm], path: str) -> Iterator[FieldError]:
    """Yields errors of a list of terms, each of which must select by other values."""
    seen: list[dict[str, set[str]]] = [{} for _ in terms]  # upstream's list starts so: an empty term is a duplicate
    for i, term in enumerate(terms):
        where = f"{path}[{i}].matchLabelExpressions"
        raw: dict[str, set[str]] = {}
        for j, need in enumerate(term.matchLabelExpressions):
            yield from _requirement_errors(need, f"{where}[{j}]")
            if need.key in raw:
                yield duplicate(f"{where}[{j}].key", need.key)
            raw[need.key] = set(need.values)
        for _ in range(seen.count(raw)):
            yield duplicate(where, "")
        seen.append(raw)


def _requirement_errors(need: TopologySelectorLabelRequirement, path: str) -> Iterator[FieldError]:
    if not need.values:
        yield required(f"{path}.values")
    known: set[str] = set()
    for i, value in enumerate(need.values):
        if value in known:
            yield duplicate(f"{path}.values[{i}]", value)
        known.add(value)
    for text in names.qualified_name(need.key):
        yield invalid(f"{path}.key", need.key, text)
