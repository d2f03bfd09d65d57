"""The nodes that a DaemonSet's pods belong on, and the pods made for them.

A pod is tied to its node by node affinity and placed by the scheduler, as in upstream.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fairlead.api.apps.daemonset import DAEMON_SET
from fairlead.api.apps.daemonset.kind import TEMPLATE_GENERATION, DaemonSet
from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.nodeterms import matches_required
from fairlead.api.core.pod.placement.affinity import (
    Affinity,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Toleration,
)
from fairlead.api.core.pod.placement.tolerations import untolerated
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.dataclass import dataclass
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.history import HASH_LABEL

GENERATION_LABEL = "pod-template-generation"
_NAME_FIELD = "metadata.name"
_BLOCKING = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Fit:
    """The relation of one node to a set."""

    should_run: bool
    """A pod should run there, and is created if it is missing."""
    may_stay: bool
    """A pod that runs there already may stay."""


def fit_of(ds: DaemonSet, node: Node) -> Fit:
    """Returns whether the set's pods belong on the node. A taint `NoSchedule` keeps only new pods away."""
    spec = ds.spec.template.spec
    if spec.nodeName not in ("", node.metadata.name) or not matches_required(Pod(spec=spec), node):
        return Fit(False, False)
    tolerations = _tolerations(spec)
    blocking = [taint for taint in node.spec.taints if taint.effect in _BLOCKING]
    if untolerated(tolerations, blocking) is None:
        return Fit(True, True)
    evicting = [taint for taint in blocking if taint.effect == "NoExecute"]
    return Fit(False, untolerated(tolerations, evicting) is None)


def target_of(pod: Pod) -> str:
    """Returns the node that the pod is on or was made for, or ""."""
    if pod.spec.nodeName:
        return pod.spec.nodeName
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    terms = required.nodeSelectorTerms if required else []
    named = [r.values for term in terms for r in term.matchFields if r.key == _NAME_FIELD and r.operator == "In"]
    return named[0][0] if named and len(named[0]) == 1 else ""


def pod_for(ds: DaemonSet, node: str, hash: str) -> Pod:
    """Returns a new pod for the node."""
    template = ds.spec.template
    labels = template.metadata.labels | {HASH_LABEL: hash}
    generation = ds.metadata.annotations.get(TEMPLATE_GENERATION)
    if generation:
        labels[GENERATION_LABEL] = generation
    meta = ObjectMeta(
        generateName=f"{ds.metadata.name}-",
        namespace=ds.metadata.namespace,
        labels=labels,
        annotations=template.metadata.annotations,
        finalizers=template.metadata.finalizers,
        ownerReferences=[controller_reference(DAEMON_SET.api_version, DAEMON_SET.kind, ds.metadata)],
    )
    spec = msgspec.structs.replace(
        template.spec, affinity=_tied(template.spec.affinity, node), tolerations=_tolerations(template.spec)
    )
    return Pod(kind=POD.kind, apiVersion=POD.api_version, metadata=meta, spec=spec)


def _tied(affinity: Affinity | None, node: str) -> Affinity:
    """Returns the affinity with the node's name in place of the required node terms."""
    affinity = affinity or Affinity()
    term = NodeSelectorTerm(matchFields=[NodeSelectorRequirement(key=_NAME_FIELD, operator="In", values=[node])])
    tied = msgspec.structs.replace(
        affinity.nodeAffinity or NodeAffinity(),
        requiredDuringSchedulingIgnoredDuringExecution=NodeSelector(nodeSelectorTerms=[term]),
    )
    return msgspec.structs.replace(affinity, nodeAffinity=tied)


def _tolerations(spec: PodSpec) -> list[Toleration]:
    """Returns the template's tolerations and those of each daemon pod: it stays on a node with problems."""
    added = list(_daemon_tolerations(spec))
    replaced = {_identity(toleration) for toleration in added}
    return [*(t for t in spec.tolerations if _identity(t) not in replaced), *added]


def _daemon_tolerations(spec: PodSpec) -> Iterable[Toleration]:
    for condition in ("not-ready", "unreachable"):
        yield _toleration(condition, "NoExecute")
    for condition in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"):
        yield _toleration(condition, "NoSchedule")
    if spec.hostNetwork:
        yield _toleration("network-unavailable", "NoSchedule")


def _toleration(condition: str, effect: str) -> Toleration:
    return Toleration(key=f"node.kubernetes.io/{condition}", operator="Exists", effect=effect)


def _identity(toleration: Toleration) -> tuple[str, str, str, str]:
    return toleration.key, toleration.effect, toleration.operator, toleration.value
