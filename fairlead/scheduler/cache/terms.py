"""Terms of inter-pod affinity with parsed selectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.placement.affinity import PodAffinityTerm, WeightedPodAffinityTerm
from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.selectors import LabelRequirement, LabelRequirements, from_label_selector

NamespaceLabels = Mapping[str, Mapping[str, str]]
"""The labels of each namespace, by its name."""


@dataclass(frozen=True, slots=True)
class Term:
    """A choice of pods and the topology key that says what near is."""

    topology_key: str
    selector: LabelRequirements
    namespaces: frozenset[str]
    namespace_selector: LabelRequirements | None

    def matches(self, pod: Pod, namespaces: NamespaceLabels) -> bool:
        return self.matches_labels(pod.metadata.namespace, pod.metadata.labels, namespaces)

    def matches_labels(self, namespace: str, labels: Mapping[str, str], namespaces: NamespaceLabels) -> bool:
        if namespace not in self.namespaces and (
            self.namespace_selector is None or not self.namespace_selector.matches(namespaces.get(namespace, {}))
        ):
            return False
        return self.selector.matches(labels)


@dataclass(frozen=True, slots=True)
class WeightedTerm:
    """A term of a preference, with its weight in the score of a node."""

    term: Term
    weight: int


def compile_term(term: PodAffinityTerm, owner: Pod) -> Term:
    """Returns the term of `owner`. Without namespaces and without namespace selector, the owner's namespace counts."""
    namespaces = frozenset(term.namespaces)
    if not namespaces and term.namespaceSelector is None:
        namespaces = frozenset((owner.metadata.namespace,))
    selector = from_label_selector(term.labelSelector)
    if term.labelSelector is not None:
        selector = with_keys(selector, owner, term.matchLabelKeys)
        selector = with_keys(selector, owner, term.mismatchLabelKeys, same=False)
    spaces = None if term.namespaceSelector is None else from_label_selector(term.namespaceSelector)
    return Term(term.topologyKey, selector, namespaces, spaces)


def compile_weighted(weighted: WeightedPodAffinityTerm, owner: Pod) -> WeightedTerm:
    return WeightedTerm(compile_term(weighted.podAffinityTerm, owner), weighted.weight)


def with_keys(selector: LabelRequirements, owner: Pod, keys: Iterable[str], *, same: bool = True) -> LabelRequirements:
    """Returns the selector with a requirement for each key that is a label of the owner: the same value, or another.
    The API server adds these to the selector of a new pod too; twice the same requirement changes nothing."""
    labels = owner.metadata.labels
    added = tuple(
        LabelRequirement(key, "in" if same else "notin", frozenset((labels[key],))) for key in keys if key in labels
    )
    return LabelRequirements(selector.items + added, selector.nothing) if added else selector
