"""Affinity, anti-affinity and topology spread: pods that should be near or far from other pods.

Everything about other pods is computed once for the pod to place (`Neighbours`), then compared with each node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fairlead.api.core.pod.affinity import PodAffinityTerm, TopologySpreadConstraint
from fairlead.api.core.pod.kind import Pod
from fairlead.machinery.selectors import LabelRequirements, from_label_selector
from fairlead.scheduler.nodeterms import matches_required
from fairlead.scheduler.snapshot import NodeView, Placed, Snapshot
from fairlead.scheduler.taints import untolerated

AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"
SPREAD = "node(s) didn't match pod topology spread constraints"
SPREAD_LABEL = "node(s) didn't match pod topology spread constraints (missing required label)"

Domain = tuple[str, str]
"""A node label's key and value."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One spread constraint with the pods counted in each domain so far."""

    key: str
    max_skew: int
    hard: bool
    counts: Mapping[str, int]
    least: int
    self_match: int

    def skew_at(self, value: str) -> int:
        return self.counts.get(value, 0) + self.self_match - self.least


@dataclass(slots=True)
class Neighbours:
    near: list[tuple[str, frozenset[str], bool]] = field(default_factory=list)
    """For each required affinity term: its key, the values that have a matching pod, and whether no pod matches
    anywhere."""
    far: set[Domain] = field(default_factory=set)
    kept_off: set[Domain] = field(default_factory=set)
    """Domains that the anti-affinity of other pods forbids for this pod."""
    liked: Counter[Domain] = field(default_factory=Counter)
    spreads: list[Spread] = field(default_factory=list)

    def refusal(self, view: NodeView) -> str:
        """Returns why the node does not fit, or an empty text."""
        labels = view.labels
        for spread in self.spreads:
            if spread.hard and spread.key not in labels:
                return SPREAD_LABEL
            if spread.hard and spread.skew_at(labels[spread.key]) > spread.max_skew:
                return SPREAD
        for key, values, first in self.near:
            if key not in labels or not (first or labels[key] in values):
                return AFFINITY
        if any(labels.get(key) == value for key, value in self.far):
            return ANTI_AFFINITY
        if any(labels.get(key) == value for key, value in self.kept_off):
            return EXISTING_ANTI_AFFINITY
        return ""

    def liking(self, view: NodeView) -> int:
        return sum(weight for (key, value), weight in self.liked.items() if view.labels.get(key) == value)

    def unevenness(self, view: NodeView) -> int:
        """Returns by how much placing the pod here would violate the soft constraints."""
        soft = [spread for spread in self.spreads if not spread.hard]
        return sum(spread.skew_at(view.labels.get(spread.key, "")) for spread in soft)


def neighbours_of(pod: Pod, snapshot: Snapshot) -> Neighbours:
    found = Neighbours()
    affinity = pod.spec.affinity
    if affinity is not None and affinity.podAffinity is not None:
        for term in affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution:
            values = frozenset(value for _, value in _where(term, pod, snapshot))
            found.near.append((term.topologyKey, values, not values and _matches(term, pod, pod, snapshot)))
        for weighted in affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution:
            for domain in _where(weighted.podAffinityTerm, pod, snapshot):
                found.liked[domain] += weighted.weight
    if affinity is not None and affinity.podAntiAffinity is not None:
        for term in affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution:
            found.far.update(_where(term, pod, snapshot))
        for weighted in affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution:
            for domain in _where(weighted.podAffinityTerm, pod, snapshot):
                found.liked[domain] -= weighted.weight
    found.kept_off.update(_repelled(pod, snapshot))
    found.spreads = [_spread(c, pod, snapshot) for c in pod.spec.topologySpreadConstraints]
    return found


def _where(term: PodAffinityTerm, owner: Pod, snapshot: Snapshot) -> Iterable[Domain]:
    """Yields the domains of the pods that match the term, once for each such pod."""
    for view in snapshot.nodes.values():
        value = view.labels.get(term.topologyKey)
        if value is not None:
            for placed in view.pods.values():
                if _matches(term, owner, placed.pod, snapshot):
                    yield term.topologyKey, value


def _matches(term: PodAffinityTerm, owner: Pod, other: Pod, snapshot: Snapshot) -> bool:
    """Returns whether `other` matches a term of `owner`."""
    namespace = other.metadata.namespace
    if term.namespaces or term.namespaceSelector is not None:
        named = namespace in term.namespaces
        selected = term.namespaceSelector is not None and from_label_selector(term.namespaceSelector).matches(
            snapshot.namespaces.get(namespace, {})
        )
        if not (named or selected):
            return False
    elif namespace != owner.metadata.namespace:
        return False
    if not _selects(from_label_selector(term.labelSelector), other):
        return False
    mine, theirs = owner.metadata.labels, other.metadata.labels
    same = all(mine.get(key) == theirs.get(key) for key in term.matchLabelKeys if key in mine)
    return same and all(mine.get(key) != theirs.get(key) for key in term.mismatchLabelKeys if key in mine)


def _repelled(pod: Pod, snapshot: Snapshot) -> Iterable[Domain]:
    for placed in snapshot.repelling.values():
        view = snapshot.nodes.get(placed.node)
        if view is None:
            continue
        for term in _anti_terms(placed):
            value = view.labels.get(term.topologyKey)
            if value is not None and _matches(term, placed.pod, pod, snapshot):
                yield term.topologyKey, value


def _anti_terms(placed: Placed) -> Sequence[PodAffinityTerm]:
    affinity = placed.pod.spec.affinity
    anti = affinity.podAntiAffinity if affinity else None
    return anti.requiredDuringSchedulingIgnoredDuringExecution if anti else ()


def _spread(constraint: TopologySpreadConstraint, pod: Pod, snapshot: Snapshot) -> Spread:
    selector = from_label_selector(constraint.labelSelector)
    key = constraint.topologyKey
    counts: Counter[str] = Counter()
    for view in snapshot.nodes.values():
        value = view.labels.get(key)
        if value is None or not _counted(constraint, pod, view):
            continue
        counts[value] += sum(_counts(placed.pod, pod, selector, constraint) for placed in view.pods.values())
    scarce = len(counts) < (constraint.minDomains or 1)
    return Spread(
        key=key,
        max_skew=constraint.maxSkew,
        hard=constraint.whenUnsatisfiable != "ScheduleAnyway",
        counts=counts,
        least=0 if scarce else min(counts.values(), default=0),
        self_match=int(_selects(selector, pod)),
    )


def _counted(constraint: TopologySpreadConstraint, pod: Pod, view: NodeView) -> bool:
    """Returns whether the constraint counts the node. By default it counts the nodes that the pod's node affinity
    allows, whatever their taints."""
    if constraint.nodeAffinityPolicy != "Ignore" and not matches_required(pod, view.node):
        return False
    honored = constraint.nodeTaintsPolicy == "Honor"
    return not (honored and untolerated(pod, view.node.spec.taints, ("NoSchedule", "NoExecute")))


def _counts(other: Pod, pod: Pod, selector: LabelRequirements, constraint: TopologySpreadConstraint) -> bool:
    mine, theirs = pod.metadata.labels, other.metadata.labels
    return (
        other.metadata.namespace == pod.metadata.namespace
        and not other.metadata.deletionTimestamp
        and _selects(selector, other)
        and all(mine.get(key) == theirs.get(key) for key in constraint.matchLabelKeys if key in mine)
    )


def _selects(selector: LabelRequirements, pod: Pod) -> bool:
    return selector.matches(pod.metadata.labels)
