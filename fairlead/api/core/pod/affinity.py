"""Where a pod may run: affinity, tolerations, spreading."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Int32, Int64, LabelSelector, Record, Strings
from fairlead.machinery.kind import Atomic, Doc, OneOf


class NodeSelectorRequirement(Record):
    key: Annotated[str, Doc("The label or field.")] = ""
    operator: Annotated[str, Doc("In, NotIn, Exists, DoesNotExist, Gt or Lt.")] = ""
    values: Annotated[Strings, Doc("The values.")] = []


class NodeSelectorTerm(Record):
    matchExpressions: Annotated[
        list[NodeSelectorRequirement], Atomic(), Doc("Conditions on the node's labels; all must hold.")
    ] = []
    matchFields: Annotated[list[NodeSelectorRequirement], Atomic(), Doc("Conditions on its fields.")] = []


class NodeSelector(Record):
    nodeSelectorTerms: Annotated[list[NodeSelectorTerm], Atomic(), Doc("Any of these must fit.")] = []


class PreferredSchedulingTerm(Record):
    preference: Annotated[NodeSelectorTerm, Atomic(), Doc("What is preferred.")] = msgspec.field(
        default_factory=NodeSelectorTerm
    )
    weight: Annotated[Int32, Doc("How much, 1 to 100.")] = msgspec.field(default_factory=int)


class NodeAffinity(Record):
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[PreferredSchedulingTerm], Atomic(), Doc("What would be good, with weights.")
    ] = []
    requiredDuringSchedulingIgnoredDuringExecution: Annotated[NodeSelector, Atomic(), Doc("What must be.")] | None = (
        None
    )


class PodAffinityTerm(Record):
    topologyKey: Annotated[str, Doc("The node label whose value makes them neighbours.")] = ""
    labelSelector: Annotated[LabelSelector, Atomic(), Doc("Which pods.")] | None = None
    matchLabelKeys: Annotated[Strings, Doc("Labels whose values must be this pod's.")] = []
    mismatchLabelKeys: Annotated[Strings, Doc("Labels whose values must not be.")] = []
    namespaceSelector: Annotated[LabelSelector, Atomic(), Doc("In which namespaces, by label.")] | None = None
    namespaces: Annotated[Strings, Doc("In which namespaces, by name.")] = []


class WeightedPodAffinityTerm(Record):
    podAffinityTerm: Annotated[PodAffinityTerm, Doc("Which neighbours.")] = msgspec.field(
        default_factory=PodAffinityTerm
    )
    weight: Annotated[Int32, Doc("How much, 1 to 100.")] = msgspec.field(default_factory=int)


class PodAffinity(Record):
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[WeightedPodAffinityTerm], Atomic(), Doc("What would be good, with weights.")
    ] = []
    requiredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[PodAffinityTerm], Atomic(), Doc("What must be.")
    ] = []


class PodAntiAffinity(Record):
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[WeightedPodAffinityTerm], Atomic(), Doc("What would be good, with weights.")
    ] = []
    requiredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[PodAffinityTerm], Atomic(), Doc("What must be.")
    ] = []


class Affinity(Record):
    nodeAffinity: Annotated[NodeAffinity, Doc("Which nodes it wants.")] | None = None
    podAffinity: Annotated[PodAffinity, Doc("Which neighbours it wants.")] | None = None
    podAntiAffinity: Annotated[PodAntiAffinity, Doc("Which neighbours it does not want.")] | None = None


class Toleration(Record):
    key: Annotated[str, Doc("The taint; all of them unless given.")] = ""
    effect: Annotated[str, Doc("Its effect; all of them unless given.")] = ""
    operator: Annotated[str, Doc("Exists or Equal.")] = ""
    tolerationSeconds: Annotated[Int64, Doc("For how long, where the effect is NoExecute.")] | None = None
    value: Annotated[str, Doc("Its value.")] = ""


class TopologySpreadConstraint(Record):
    maxSkew: Annotated[Int32, Doc("How far apart the counts may be.")] = msgspec.field(default_factory=int)
    topologyKey: Annotated[str, Doc("The node label whose values are the domains.")] = ""
    whenUnsatisfiable: Annotated[
        str, OneOf("DoNotSchedule", "ScheduleAnyway"), Doc("DoNotSchedule or ScheduleAnyway.")
    ] = ""
    labelSelector: Annotated[LabelSelector, Atomic(), Doc("Which pods are counted.")] | None = None
    matchLabelKeys: Annotated[Strings, Doc("Labels whose values must be this pod's.")] = []
    minDomains: Annotated[Int32, Doc("How many domains there should be.")] | None = None
    nodeAffinityPolicy: (
        Annotated[str, OneOf("Honor", "Ignore"), Doc("Whether nodes it may not go to are left out.")] | None
    ) = None
    nodeTaintsPolicy: Annotated[str, OneOf("Honor", "Ignore"), Doc("Whether tainted nodes are left out.")] | None = None
