"""Where a pod may run: affinity, tolerations, spreading."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import Int32, Int64, LabelSelector, Record, Strings
from fairlead.machinery.kind import Atomic, OneOf


class NodeSelectorRequirement(Record):
    key: str = ""
    operator: str = ""
    values: Strings = []


class NodeSelectorTerm(Record):
    matchExpressions: Annotated[list[NodeSelectorRequirement], Atomic()] = []
    matchFields: Annotated[list[NodeSelectorRequirement], Atomic()] = []


class NodeSelector(Record):
    nodeSelectorTerms: Annotated[list[NodeSelectorTerm], Atomic()] = []


class PreferredSchedulingTerm(Record):
    preference: Annotated[NodeSelectorTerm, Atomic()] = msgspec.field(default_factory=NodeSelectorTerm)
    weight: Int32 = msgspec.field(default_factory=int)


class NodeAffinity(Record):
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[list[PreferredSchedulingTerm], Atomic()] = []
    requiredDuringSchedulingIgnoredDuringExecution: Annotated[NodeSelector, Atomic()] | None = None


class PodAffinityTerm(Record):
    topologyKey: str = ""
    labelSelector: Annotated[LabelSelector, Atomic()] | None = None
    matchLabelKeys: Strings = []
    mismatchLabelKeys: Strings = []
    namespaceSelector: Annotated[LabelSelector, Atomic()] | None = None
    namespaces: Strings = []


class WeightedPodAffinityTerm(Record):
    podAffinityTerm: PodAffinityTerm = msgspec.field(default_factory=PodAffinityTerm)
    weight: Int32 = msgspec.field(default_factory=int)


class PodAffinity(Record):
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[list[WeightedPodAffinityTerm], Atomic()] = []
    requiredDuringSchedulingIgnoredDuringExecution: Annotated[list[PodAffinityTerm], Atomic()] = []


class PodAntiAffinity(Record):
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[list[WeightedPodAffinityTerm], Atomic()] = []
    requiredDuringSchedulingIgnoredDuringExecution: Annotated[list[PodAffinityTerm], Atomic()] = []


class Affinity(Record):
    nodeAffinity: NodeAffinity | None = None
    podAffinity: PodAffinity | None = None
    podAntiAffinity: PodAntiAffinity | None = None


class Toleration(Record):
    key: str = ""
    effect: str = ""
    operator: str = ""
    tolerationSeconds: Int64 | None = None
    value: str = ""


class TopologySpreadConstraint(Record):
    maxSkew: Int32 = msgspec.field(default_factory=int)
    topologyKey: str = ""
    whenUnsatisfiable: Annotated[str, OneOf("DoNotSchedule", "ScheduleAnyway")] = ""
    labelSelector: Annotated[LabelSelector, Atomic()] | None = None
    matchLabelKeys: Strings = []
    minDomains: Int32 | None = None
    nodeAffinityPolicy: Annotated[str, OneOf("Honor", "Ignore")] | None = None
    nodeTaintsPolicy: Annotated[str, OneOf("Honor", "Ignore")] | None = None
