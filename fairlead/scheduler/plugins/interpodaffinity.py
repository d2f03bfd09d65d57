"""InterPodAffinity: places pods near other pods, or apart from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.dataclass import dataclass
from fairlead.scheduler.cache.counting import Matches, count_matching
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Placed, Snapshot
from fairlead.scheduler.cache.terms import NamespaceLabels, Term
from fairlead.scheduler.framework import MAX_SCORE, Change, Cycle, Plugin, Rejection

_AFFINITY = Rejection(("node(s) didn't match pod affinity rules",))
_ANTI_AFFINITY = Rejection(("node(s) didn't match pod anti-affinity rules",), resolvable=True)
_EXISTING = Rejection(("node(s) didn't satisfy existing pods anti-affinity rules",), resolvable=True)
_HARD_WEIGHT = 1
"""Weight in scores of the required terms of pods that are placed already (upstream's default)."""

Domain = tuple[str, str]
"""A topology key and its value on nodes."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """The requirements of one pod, and those of other pods about it, for one snapshot."""

    near: tuple[str, ...]
    """Topology keys of the required affinity."""
    near_domains: frozenset[Domain]
    first: bool
    """True if no pod matches the pod's required affinity and the pod itself does: then it may begin a new domain."""
    apart: frozenset[Domain]
    existing: frozenset[Domain]

    def filter(self, node: NodeInfo) -> Rejection | None:
        labels = node.labels
        for key in self.near:
            if key not in labels or not (self.first or (key, labels[key]) in self.near_domains):
                return _AFFINITY
        if self.apart and any(labels.get(key) == value for key, value in self.apart):
            return _ANTI_AFFINITY
        if self.existing and any(labels.get(key) == value for key, value in self.existing):
            return _EXISTING
        return None


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | None:
    rules = _rules(info, snapshot)
    terms = info.terms
    scored = bool(terms.preferred or terms.preferred_anti or snapshot.with_affinity)
    filtered = bool(rules.near or rules.apart or rules.existing)

    def score(nodes: Sequence[NodeInfo]) -> Sequence[int]:
        return _normalized(nodes, _preferences(info, snapshot))

    if not (scored or filtered):
        return None
    return Cycle(filter=rules.filter if filtered else None, score=score if scored else None)


def _rules(info: PodInfo, snapshot: Snapshot) -> _Rules:
    required = info.terms.required
    near_domains = _near(required, snapshot)
    spaces = snapshot.namespaces
    return _Rules(
        near=tuple(term.topology_key for term in required),
        near_domains=near_domains,
        first=not near_domains and all(term.matches(info.pod, spaces) for term in required),
        apart=frozenset(d for term in info.terms.required_anti for d in _domains((term,), term, snapshot)),
        existing=frozenset(
            domain
            for placed in snapshot.with_anti_affinity.values()
            for domain in _forbidden(placed, info.pod, snapshot)
        ),
    )


def _near(terms: Sequence[Term], snapshot: Snapshot) -> frozenset[Domain]:
    """Returns the domains of the pods that match all terms: a pod that matches one of two does not count."""
    return frozenset(domain for term in terms for domain in _domains(terms, term, snapshot))


def _domains(terms: Sequence[Term], term: Term, snapshot: Snapshot) -> Mapping[Domain, int]:
    """Returns the number of pods that match all of `terms` in each domain of `term`."""
    key = term.topology_key
    counts: Counter[Domain] = Counter()
    for node, count in count_matching(snapshot.nodes.values(), _all_match(terms, snapshot.namespaces)):
        if count and (value := node.labels.get(key)) is not None:
            counts[key, value] += count
    return counts


def _all_match(terms: Sequence[Term], spaces: NamespaceLabels) -> Matches:
    def matches(namespace: str, labels: Mapping[str, str], terminating: bool) -> bool:
        return all(term.matches_labels(namespace, labels, spaces) for term in terms)

    return matches


def _forbidden(placed: Placed, pod: Pod, snapshot: Snapshot) -> Sequence[Domain]:
    node = snapshot.nodes.get(placed.node)
    if node is None:
        return ()
    return [
        (term.topology_key, node.labels[term.topology_key])
        for term in placed.info.terms.required_anti
        if term.topology_key in node.labels and term.matches(pod, snapshot.namespaces)
    ]


def _preferences(info: PodInfo, snapshot: Snapshot) -> Mapping[Domain, int]:
    """Returns the sum of the weights for each domain: of the pod's own preferences, and of those of placed pods about
    the pod."""
    sums: Counter[Domain] = Counter()
    for sign, terms in ((1, info.terms.preferred), (-1, info.terms.preferred_anti)):
        for weighted in terms:
            for domain, count in _domains((weighted.term,), weighted.term, snapshot).items():
                sums[domain] += sign * weighted.weight * count
    for placed in snapshot.with_affinity.values():
        node = snapshot.nodes.get(placed.node)
        if node is not None:
            for term, weight in _weighted(placed):
                value = node.labels.get(term.topology_key)
                if value is not None and term.matches(info.pod, snapshot.namespaces):
                    sums[term.topology_key, value] += weight
    return sums


def _weighted(placed: Placed) -> Sequence[tuple[Term, int]]:
    terms = placed.info.terms
    return [
        *((term, _HARD_WEIGHT) for term in terms.required),
        *((one.term, one.weight) for one in terms.preferred),
        *((one.term, -one.weight) for one in terms.preferred_anti),
    ]


def _normalized(nodes: Sequence[NodeInfo], sums: Mapping[Domain, int]) -> Sequence[int]:
    by_key: dict[str, dict[str, int]] = {}
    for (key, value), weight in sums.items():
        by_key.setdefault(key, {})[value] = weight
    raw = [sum(values.get(node.labels.get(key, ""), 0) for key, values in by_key.items()) for node in nodes]
    least, most = min(raw), max(raw)
    return [MAX_SCORE * (value - least) // (most - least) for value in raw] if most > least else ()


def helps(pod: Pod, change: Change) -> bool:
    return change.kind in (NODE, NAMESPACE) or (
        change.kind is POD and any(p is not None and bool(p.spec.nodeName) for p in (change.old, change.new))
    )


PLUGIN = Plugin("InterPodAffinity", prepare, helps, weight=2)
