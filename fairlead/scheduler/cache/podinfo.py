"""A pod with the facts that are computed once for all nodes and all decisions."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.core.pod.hostports import HostPort, host_ports
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.placement.affinity import Affinity, PodAffinity, PodAffinityTerm, PodAntiAffinity
from fairlead.api.meta.types import controller_of
from fairlead.base.dataclass import dataclass
from fairlead.base.keys import key_of
from fairlead.scheduler.cache.resources import Amounts, requests_of
from fairlead.scheduler.cache.terms import Term, WeightedTerm, compile_term, compile_weighted

_NO_AFFINITY = PodAffinity()
_NO_ANTI_AFFINITY = PodAntiAffinity()


@dataclass(frozen=True, slots=True)
class PodTerms:
    """The rules of a pod about other pods, with parsed selectors."""

    required: tuple[Term, ...] = ()
    required_anti: tuple[Term, ...] = ()
    preferred: tuple[WeightedTerm, ...] = ()
    preferred_anti: tuple[WeightedTerm, ...] = ()


_NO_TERMS = PodTerms()

LabelSet = tuple[str, frozenset[tuple[str, str]], bool]
"""Namespace and labels of pods, and whether these are terminating. A selector is tried once for all pods of a set."""


@dataclass(frozen=True, slots=True)
class PodInfo:
    """A pod to place, or a pod on a node."""

    pod: Pod
    key: str
    priority: int
    requests: Amounts
    weight: Amounts
    """The requests with assumed values for a container that requests nothing; for scores only."""
    ports: frozenset[HostPort]
    group: str
    """Identifies the pods that the default rules spread: those of one controller, else those with equal labels."""
    label_set: LabelSet
    terms: PodTerms


def pod_info(pod: Pod, *, key: str = "") -> PodInfo:
    return PodInfo(
        pod=pod,
        key=key or key_of(pod.metadata),
        priority=pod.spec.priority or 0,
        requests=requests_of(pod),
        weight=requests_of(pod, assume=True),
        ports=host_ports(pod),
        group=group_of(pod),
        label_set=(
            pod.metadata.namespace,
            frozenset(pod.metadata.labels.items()),
            pod.metadata.deletionTimestamp is not None,
        ),
        terms=_terms_of(pod, pod.spec.affinity),
    )


def group_of(pod: Pod) -> str:
    """Returns the group of the pod: the uid of its controller, or its namespace and labels."""
    owner = controller_of(pod.metadata)
    if owner is not None:
        return owner.uid
    labels = ",".join(f"{key}={value}" for key, value in sorted(pod.metadata.labels.items()))
    return f"{pod.metadata.namespace}/{labels}" if labels else f"{pod.metadata.namespace}/{pod.metadata.name}"


def _terms_of(pod: Pod, affinity: Affinity | None) -> PodTerms:
    if affinity is None or (affinity.podAffinity is None and affinity.podAntiAffinity is None):
        return _NO_TERMS
    near = affinity.podAffinity or _NO_AFFINITY
    apart = affinity.podAntiAffinity or _NO_ANTI_AFFINITY
    return PodTerms(
        required=_compile(near.requiredDuringSchedulingIgnoredDuringExecution, pod),
        required_anti=_compile(apart.requiredDuringSchedulingIgnoredDuringExecution, pod),
        preferred=tuple(compile_weighted(t, pod) for t in near.preferredDuringSchedulingIgnoredDuringExecution),
        preferred_anti=tuple(compile_weighted(t, pod) for t in apart.preferredDuringSchedulingIgnoredDuringExecution),
    )


def _compile(terms: Sequence[PodAffinityTerm], pod: Pod) -> tuple[Term, ...]:
    return tuple(compile_term(term, pod) for term in terms)
