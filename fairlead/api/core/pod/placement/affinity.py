"""Scheduling rules of a pod: affinity, tolerations, topology spread."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Int32, Int64, LabelSelector, Record, Strings
from fairlead.machinery.kinds.kind import Atomic, Doc, OneOf


class NodeSelectorRequirement(Record):
    """Condition on one label or field of a node: a key, an operator and values."""

    key: Annotated[str, Doc("Key of the node label, or path of the node field, that the requirement is about.")] = ""
    operator: Annotated[
        str, Doc("Relation of the node's value to `values`: In, NotIn, Exists, DoesNotExist, Gt or Lt.")
    ] = ""
    values: Annotated[
        Strings, Doc("Values to compare with; exactly one integer for Gt and Lt, none for Exists and DoesNotExist.")
    ] = []


class NodeSelectorTerm(Record):
    """Set of requirements on a node, all of which must be met."""

    matchExpressions: Annotated[
        list[NodeSelectorRequirement], Atomic(), Doc("Requirements on the node's labels; all must be met.")
    ] = []
    matchFields: Annotated[
        list[NodeSelectorRequirement],
        Atomic(),
        Doc("Requirements on the node's fields (metadata.name only); all must be met."),
    ] = []


class NodeSelector(Record):
    """Choice of nodes; a node is selected if it meets at least one of the terms."""

    nodeSelectorTerms: Annotated[
        list[NodeSelectorTerm], Atomic(), Doc("Terms of the selector; a node matches if at least one term matches.")
    ] = []


class PreferredSchedulingTerm(Record):
    """Preference for certain nodes, with the weight it has in the choice of a node."""

    preference: Annotated[NodeSelectorTerm, Atomic(), Doc("Node selector term that preferred nodes match.")] = (
        msgspec.field(default_factory=NodeSelectorTerm)
    )
    weight: Annotated[Int32, Doc("Weight added to the score of matching nodes, 1 to 100.")] = msgspec.field(
        default_factory=int
    )


class NodeAffinity(Record):
    """Rules that tie a pod to nodes with certain labels or fields."""

    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[PreferredSchedulingTerm],
        Atomic(),
        Doc("Preferred rules on nodes; nodes with a higher sum of weights are favoured."),
    ] = []
    requiredDuringSchedulingIgnoredDuringExecution: (
        Annotated[
            NodeSelector,
            Atomic(),
            Doc("Rules that a node must match to receive the pod; not enforced after scheduling."),
        ]
        | None
    ) = None


class PodAffinityTerm(Record):
    """Choice of pods, and the topology within which a new pod is placed together with or apart from them."""

    topologyKey: Annotated[
        str, Doc("Node label whose value defines a topology domain, such as kubernetes.io/hostname; required.")
    ] = ""
    labelSelector: (
        Annotated[
            LabelSelector, Atomic(), Doc("Label selector of the pods that the term refers to; no pods if absent.")
        ]
        | None
    ) = None
    matchLabelKeys: Annotated[
        Strings, Doc("Keys of pod labels; the term refers only to pods with the same values as the incoming pod.")
    ] = []
    mismatchLabelKeys: Annotated[
        Strings, Doc("Keys of pod labels; the term refers only to pods with values other than the incoming pod's.")
    ] = []
    namespaceSelector: (
        Annotated[
            LabelSelector,
            Atomic(),
            Doc("Label selector of the namespaces that the term refers to; all namespaces if empty."),
        ]
        | None
    ) = None
    namespaces: Annotated[
        Strings, Doc("Names of the namespaces that the term refers to; default: the pod's namespace.")
    ] = []


class WeightedPodAffinityTerm(Record):
    """Preference about nearness to other pods, with the weight it has in the choice of a node."""

    podAffinityTerm: Annotated[PodAffinityTerm, Doc("Pod affinity term that the weight applies to.")] = msgspec.field(
        default_factory=PodAffinityTerm
    )
    weight: Annotated[Int32, Doc("Weight of the term in the score of a node, 1 to 100.")] = msgspec.field(
        default_factory=int
    )


class PodAffinity(Record):
    """Rules that place a pod near certain other pods, for example in the same zone."""

    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[WeightedPodAffinityTerm],
        Atomic(),
        Doc("Preferred rules on pods in the same topology domain; nodes with a higher sum of weights are favoured."),
    ] = []
    requiredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[PodAffinityTerm],
        Atomic(),
        Doc("Rules on pods that must run in the same topology domain; not enforced after scheduling."),
    ] = []


class PodAntiAffinity(Record):
    """Rules that place a pod apart from certain other pods, for example on another node."""

    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[WeightedPodAffinityTerm],
        Atomic(),
        Doc("Preferred rules on pods to keep away from; nodes with a lower sum of weights are favoured."),
    ] = []
    requiredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[PodAffinityTerm],
        Atomic(),
        Doc("Rules on pods that may not run in the same topology domain; not enforced after scheduling."),
    ] = []


class Affinity(Record):
    """Rules and preferences for the choice of a pod's node."""

    nodeAffinity: Annotated[NodeAffinity, Doc("Rules on the nodes that the pod may or should run on.")] | None = None
    podAffinity: Annotated[PodAffinity, Doc("Rules on other pods that the pod should run close to.")] | None = None
    podAntiAffinity: (
        Annotated[PodAntiAffinity, Doc("Rules on other pods that the pod should run away from.")] | None
    ) = None


class Toleration(Record):
    """Permission for a pod to run on nodes with a matching taint."""

    key: Annotated[str, Doc("Key of the tolerated taint; all taints if empty, which requires operator Exists.")] = ""
    effect: Annotated[
        str, Doc("Effect of the tolerated taint: NoSchedule, PreferNoSchedule or NoExecute; all effects if empty.")
    ] = ""
    operator: Annotated[
        str, Doc("Comparison with the taint's value: Equal (default) or Exists, which tolerates all values.")
    ] = ""
    tolerationSeconds: (
        Annotated[
            Int64, Doc("Seconds that a NoExecute taint is tolerated before the pod is evicted; unlimited if absent.")
        ]
        | None
    ) = None
    value: Annotated[str, Doc("Value of the tolerated taint; must be empty if the operator is Exists.")] = ""


class TopologySpreadConstraint(Record):
    """Rule that spreads matching pods evenly over zones, nodes or other parts of the cluster."""

    maxSkew: Annotated[
        Int32, Doc("Maximum difference between the numbers of matching pods in two topology domains; at least 1.")
    ] = msgspec.field(default_factory=int)
    topologyKey: Annotated[
        str, Doc("Node label whose value defines a topology domain, such as topology.kubernetes.io/zone.")
    ] = ""
    whenUnsatisfiable: Annotated[
        str,
        OneOf("DoNotSchedule", "ScheduleAnyway"),
        Doc("Treatment of nodes that violate the constraint: DoNotSchedule or ScheduleAnyway (lower score)."),
    ] = ""
    labelSelector: (
        Annotated[LabelSelector, Atomic(), Doc("Label selector of the pods that are counted in each domain.")] | None
    ) = None
    matchLabelKeys: Annotated[
        Strings, Doc("Keys of pod labels; only pods with the same values as the incoming pod are counted.")
    ] = []
    minDomains: (
        Annotated[Int32, Doc("Minimum number of eligible domains; with fewer domains, the global minimum counts as 0.")]
        | None
    ) = None
    nodeAffinityPolicy: (
        Annotated[
            str,
            OneOf("Honor", "Ignore"),
            Doc(
                "Treatment of nodes that the pod's node affinity excludes: Honor (default; not counted) or "
                "Ignore (counted)."
            ),
        ]
        | None
    ) = None
    nodeTaintsPolicy: (
        Annotated[
            str,
            OneOf("Honor", "Ignore"),
            Doc(
                "Treatment of nodes with taints: Honor (count only tolerated nodes) or Ignore (default; count "
                "all nodes)."
            ),
        ]
        | None
    ) = None
