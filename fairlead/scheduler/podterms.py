"""Affinity, anti-affinity and topology spread: pods that should be near or far from other pods.

Everything about other pods is computed once for the pod to place (`InterPodTerms`), then compared with each node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fairlead.api.core.pod.affinity import PodAffinityTerm, TopologySpreadConstraint
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.nodeterms import matches_required
from fairlead.base.dataclass import dataclass, field
from fairlead.machinery.values.selectors import LabelRequirements, from_label_selector
from fairlead.scheduler.snapshot import NodeInfo, Placed, Snapshot
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
    required: bool
    counts: Mapping[str, int]
    least: int
    self_match: int

    def skew_at(self, value: str) -> int:
        """Returns the skew of the domain if the pod were placed in it."""
        return self.counts.get(value, 0) + self.self_match - self.least


@dataclass(slots=True)
class InterPodTerms:
    """The requirements and preferences of one pod about other pods, computed for one snapshot."""

    affinity_terms: list[tuple[str, frozenset[str], bool]] = field(default_factory=list)
    """For each required affinity term: its key, the values that have a matching pod, and whether no pod matches
    anywhere."""
    anti_affinity: set[Domain] = field(default_factory=set)
    """Domains that the pod's own anti-affinity forbids."""
    existing_anti_affinity: set[Domain] = field(default_factory=set)
    """Domains that the anti-affinity of other pods forbids for this pod."""
    preferred: Counter[Domain] = field(default_factory=Counter)
    """The sum of the weights of the preferred terms for each domain; those of anti-affinity count as negative."""
    spreads: list[Spread] = field(default_factory=list)

    def filter(self, node_info: NodeInfo) -> str:
        """Returns why the node does not fit, or an empty text."""
        labels = node_info.labels
        for spread in self.spreads:
            if spread.required and spread.key not in labels:
                return SPREAD_LABEL
            if spread.required and spread.skew_at(labels[spread.key]) > spread.max_skew:
                return SPREAD
        for key, values, first in self.affinity_terms:
            if key not in labels or not (first or labels[key] in values):
                return AFFINITY
        if any(labels.get(key) == value for key, value in self.anti_affinity):
            return ANTI_AFFINITY
        if any(labels.get(key) == value for key, value in self.existing_anti_affinity):
            return EXISTING_ANTI_AFFINITY
        return ""

    def affinity_score(self, node_info: NodeInfo) -> int:
        """Returns the sum of the weights of the preferred terms that the node meets."""
        return sum(weight for (key, value), weight in self.preferred.items() if node_info.labels.get(key) == value)

    def spread_score(self, node_info: NodeInfo) -> int:
        """Returns by how much placing the pod here would violate the soft constraints."""
        soft = [spread for spread in self.spreads if not spread.required]
        return sum(spread.skew_at(node_info.labels.get(spread.key, "")) for spread in soft)


def terms_of(pod: Pod, snapshot: Snapshot) -> InterPodTerms:
    result = InterPodTerms()
    affinity = pod.spec.affinity
    if affinity is not None and affinity.podAffinity is not None:
        for term in affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution:
            values = frozenset(value for _, value in _matching_domains(term, pod, snapshot))
            result.affinity_terms.append((term.topologyKey, values, not values and _matches(term, pod, pod, snapshot)))
        for weighted in affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution:
            for domain in _matching_domains(weighted.podAffinityTerm, pod, snapshot):
                result.preferred[domain] += weighted.weight
    if affinity is not None and affinity.podAntiAffinity is not None:
        for term in affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution:
            result.anti_affinity.update(_matching_domains(term, pod, snapshot))
        for weighted in affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution:
            for domain in _matching_domains(weighted.podAffinityTerm, pod, snapshot):
                result.preferred[domain] -= weighted.weight
    result.existing_anti_affinity.update(_forbidden_domains(pod, snapshot))
    result.spreads = [_spread(c, pod, snapshot) for c in pod.spec.topologySpreadConstraints]
    return result


def _matching_domains(term: PodAffinityTerm, owner: Pod, snapshot: Snapshot) -> Iterable[Domain]:
    """Yields the domains of the pods that match the term, once for each such pod."""
    for node_info in snapshot.nodes.values():
        value = node_info.labels.get(term.topologyKey)
        if value is not None:
            for placed in node_info.pods.values():
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


def _forbidden_domains(pod: Pod, snapshot: Snapshot) -> Iterable[Domain]:
    for placed in snapshot.with_anti_affinity.values():
        node_info = snapshot.nodes.get(placed.node)
        if node_info is None:
            continue
        for term in _anti_terms(placed):
            value = node_info.labels.get(term.topologyKey)
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
    for node_info in snapshot.nodes.values():
        value = node_info.labels.get(key)
        if value is None or not _counted(constraint, pod, node_info):
            continue
        counts[value] += sum(_counts(placed.pod, pod, selector, constraint) for placed in node_info.pods.values())
    scarce = len(counts) < (constraint.minDomains or 1)
    return Spread(
        key=key,
        max_skew=constraint.maxSkew,
        required=constraint.whenUnsatisfiable != "ScheduleAnyway",
        counts=counts,
        least=0 if scarce else min(counts.values(), default=0),
        self_match=int(_selects(selector, pod)),
    )


def _counted(constraint: TopologySpreadConstraint, pod: Pod, node_info: NodeInfo) -> bool:
    """Returns whether the constraint counts the node. By default it counts the nodes that the pod's node affinity
    allows, whatever their taints."""
    if constraint.nodeAffinityPolicy != "Ignore" and not matches_required(pod, node_info.node):
        return False
    honored = constraint.nodeTaintsPolicy == "Honor"
    return not (honored and untolerated(pod, node_info.node.spec.taints, ("NoSchedule", "NoExecute")))


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
