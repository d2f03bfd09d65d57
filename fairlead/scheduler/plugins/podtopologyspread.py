"""PodTopologySpread: spreads matching pods over the domains of a topology, such as zones or nodes.

Pods without constraints get two soft ones: over nodes and over zones. For a pod of a ReplicaSet, StatefulSet or
ReplicationController, these count the pods of the same controller. For any other pod, they count the pods that all
Services of the pod select; a pod without a Service is not spread. Upstream combines both selectors in the first case;
the result differs only if a Service selects more labels than the pods of one controller share.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.nodeterms import matches_required
from fairlead.api.core.pod.placement.affinity import TopologySpreadConstraint
from fairlead.api.core.pod.placement.tolerations import untolerated
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.core.topology.labels import HOSTNAME_LABEL, ZONE_LABEL
from fairlead.api.meta.types import LabelSelector, controller_of
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.selectors import LabelRequirements, from_label_selector
from fairlead.scheduler.cache.counting import count_matching
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.cache.terms import with_keys
from fairlead.scheduler.framework import MAX_SCORE, Change, Cycle, Plugin, Rejection

_SKEWED = Rejection(("node(s) didn't match pod topology spread constraints",), resolvable=True)
_NO_LABEL = Rejection(("node(s) didn't match pod topology spread constraints (missing required label)",))
_DEFAULTS = ((HOSTNAME_LABEL, 3), (ZONE_LABEL, 5))
"""Topology key and maximum skew of the constraints for pods that name none."""
_SPREADING = ("ReplicaSet", "StatefulSet", "ReplicationController")
"""Controllers whose pods are spread without a Service."""


@dataclass(frozen=True, slots=True)
class _Hard:
    """A constraint that must hold, with the pods counted in each domain so far."""

    key: str
    max_skew: int
    counts: Mapping[str, int]
    least: int
    self_match: int

    def filter(self, node: NodeInfo) -> Rejection | None:
        value = node.labels.get(self.key)
        if value is None:
            return _NO_LABEL
        skew = self.counts.get(value, 0) + self.self_match - self.least
        return _SKEWED if skew > self.max_skew else None


@dataclass(frozen=True, slots=True)
class _Soft:
    """A constraint that lowers scores, with the number of pods that count on each node of the cluster."""

    key: str
    max_skew: int
    counts: Mapping[str, int]
    """Pods by the name of their node; a node that does not count is absent."""


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle:
    constraints = info.pod.spec.topologySpreadConstraints
    hard = [c for c in constraints if c.whenUnsatisfiable != "ScheduleAnyway"]
    checks = _hard(info.pod, hard, snapshot)

    def filter(node: NodeInfo) -> Rejection | None:
        return next((r for r in (check.filter(node) for check in checks) if r is not None), None)

    soft = [c for c in constraints if c.whenUnsatisfiable == "ScheduleAnyway"]
    if constraints and not soft:
        return Cycle(filter=filter)

    def score(nodes: Sequence[NodeInfo]) -> Sequence[int]:
        if not constraints:
            return _default_scores(info, nodes, snapshot)
        return _scores(nodes, snapshot, _soft(info.pod, soft, snapshot), all_keys=True)

    return Cycle(filter=filter if checks else None, score=score)


def _hard(pod: Pod, constraints: Sequence[TopologySpreadConstraint], snapshot: Snapshot) -> list[_Hard]:
    keys = [c.topologyKey for c in constraints]
    checks = []
    for constraint in constraints:
        selector = _selector(constraint, pod)
        nodes = _included(constraint, pod, snapshot, keys)
        counts: Counter[str] = Counter()
        for node, count in count_matching(nodes, _counts(pod, selector)):
            counts[node.labels[constraint.topologyKey]] += count
        scarce = len(counts) < (constraint.minDomains or 1)
        checks.append(
            _Hard(
                key=constraint.topologyKey,
                max_skew=constraint.maxSkew,
                counts=counts,
                least=0 if scarce else min(counts.values(), default=0),
                self_match=int(selector.matches(pod.metadata.labels)),
            )
        )
    return checks


def _soft(pod: Pod, constraints: Sequence[TopologySpreadConstraint], snapshot: Snapshot) -> list[_Soft]:
    keys = [c.topologyKey for c in constraints]
    result = []
    for c in constraints:
        nodes = _included(c, pod, snapshot, keys)
        counts = {n.name: count for n, count in count_matching(nodes, _counts(pod, _selector(c, pod)))}
        result.append(_Soft(c.topologyKey, c.maxSkew, counts))
    return result


def _selector(constraint: TopologySpreadConstraint, pod: Pod) -> LabelRequirements:
    return with_keys(from_label_selector(constraint.labelSelector), pod, constraint.matchLabelKeys)


def _included(
    constraint: TopologySpreadConstraint, pod: Pod, snapshot: Snapshot, keys: Sequence[str]
) -> Iterable[NodeInfo]:
    """Yields the nodes whose pods count: with the labels of all constraints, and by default those that the pod's node
    affinity allows, whatever their taints."""
    affine = constraint.nodeAffinityPolicy != "Ignore"
    tolerant = constraint.nodeTaintsPolicy == "Honor"
    for node in snapshot.nodes.values():
        if any(key not in node.labels for key in keys):
            continue
        if affine and not matches_required(pod, node.node):
            continue
        if tolerant and untolerated(pod.spec.tolerations, node.hard_taints) is not None:
            continue
        yield node


def _counts(pod: Pod, selector: LabelRequirements) -> Callable[[str, Mapping[str, str], bool], bool]:
    # An empty selector selects every pod elsewhere; here upstream counts none.
    none = selector.empty

    def matches(namespace: str, labels: Mapping[str, str], terminating: bool) -> bool:
        return not (terminating or none) and namespace == pod.metadata.namespace and selector.matches(labels)

    return matches


def _default_scores(info: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> Sequence[int]:
    if _is_spread_by_controller(info.pod):
        present = {node.name: count for node in snapshot.nodes.values() if (count := node.groups.get(info.group))}
    else:
        selector = _of_services(info.pod, snapshot)
        counted = count_matching(snapshot.nodes.values(), _counts(info.pod, selector))
        present = {node.name: count for node, count in counted if count}
    if not present:
        return ()
    soft = [_Soft(key, skew, present) for key, skew in _DEFAULTS]
    return _scores(nodes, snapshot, soft, all_keys=False)


def _is_spread_by_controller(pod: Pod) -> bool:
    owner = controller_of(pod.metadata)
    return owner is not None and owner.kind in _SPREADING


def _of_services(pod: Pod, snapshot: Snapshot) -> LabelRequirements:
    """Returns what all Services that select the pod have in common. Without Services it counts no pod."""
    labels, chosen = pod.metadata.labels, dict[str, str]()
    for service in snapshot.objects(SERVICE).values():
        selector = service.spec.selector
        if selector and service.metadata.namespace == pod.metadata.namespace and selector.items() <= labels.items():
            chosen |= selector
    return from_label_selector(LabelSelector(matchLabels=chosen))


def _scores(
    nodes: Sequence[NodeInfo], snapshot: Snapshot, constraints: Sequence[_Soft], *, all_keys: bool
) -> Sequence[int]:
    """Returns the scores. Fewer pods in the node's domains are better; a constraint with more domains weighs more.
    With `all_keys`, a node that lacks the label of a constraint gets 0; otherwise, only that constraint does not count
    for the node."""
    counted = [node for node in nodes if not all_keys or all(c.key in node.labels for c in constraints)]
    raw = {node.name: 0.0 for node in counted}
    for constraint in constraints:
        _add_scores(raw, counted, snapshot, constraint)
    sums = {name: round(value) for name, value in raw.items()}
    most, least = max(sums.values(), default=0), min(sums.values(), default=0)
    if not most:
        return [MAX_SCORE if node.name in sums else 0 for node in nodes]
    return [MAX_SCORE * (most + least - sums[n.name]) // most if n.name in sums else 0 for n in nodes]


def _add_scores(raw: dict[str, float], nodes: Sequence[NodeInfo], snapshot: Snapshot, constraint: _Soft) -> None:
    key, skew, counts = constraint.key, constraint.max_skew - 1, constraint.counts
    if key == HOSTNAME_LABEL:
        weight = math.log(len(nodes) + 2)
        for node in nodes:
            if key in node.labels:
                raw[node.name] += counts.get(node.name, 0) * weight + skew
        return
    domains = {value: 0 for node in nodes if (value := node.labels.get(key)) is not None}
    if not domains:
        return
    for name, count in counts.items():
        value = snapshot.nodes[name].labels.get(key)
        if value in domains:
            domains[value] += count
    weight = math.log(len(domains) + 2)
    for node in nodes:
        value = node.labels.get(key)
        if value is not None:
            raw[node.name] += domains[value] * weight + skew


def helps(pod: Pod, change: Change) -> bool:
    if change.kind is NODE:
        return True
    if change.kind is not POD:
        return False
    placed = [p for p in (change.old, change.new) if p is not None and p.spec.nodeName]
    own = change.new is not None and change.new.metadata.uid == pod.metadata.uid
    return own or any(p.metadata.namespace == pod.metadata.namespace for p in placed)


def kinds(pod: Pod) -> Sequence[Kind[Any]]:
    """Returns Services for a pod that these spread. A DaemonSet's pod has one node to choose."""
    owner = controller_of(pod.metadata)
    is_decided = owner is not None and owner.kind in (*_SPREADING, "DaemonSet")
    return () if is_decided or pod.spec.topologySpreadConstraints or not pod.metadata.labels else (SERVICE,)


PLUGIN = Plugin("PodTopologySpread", prepare, helps, weight=2, kinds=kinds)
