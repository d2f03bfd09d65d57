"""Chooses a node for one pod, or says in upstream's words why none fits.

Nodes are compared by the user's preferences first, then by the number of pods of the same group, then by load.
Rejected: upstream's weighted sum, which may put three replicas on one of three nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from fairlead.api.core.node.kind import Node, Taint
from fairlead.api.core.pod.hostports import HostPort, conflicts, host_ports
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.nodeterms import matches_required, preferred_weight
from fairlead.base.dataclass import dataclass
from fairlead.scheduler.claims import claim_problem
from fairlead.scheduler.podterms import InterPodTerms, terms_of
from fairlead.scheduler.resources import Amounts, requests_of
from fairlead.scheduler.snapshot import NodeInfo, Snapshot, group_of
from fairlead.scheduler.taints import tolerates_all, untolerated

UNSCHEDULABLE = "node(s) were unschedulable"
TAINTED = "node(s) had untolerated taint(s)"
NO_MATCH = "node(s) didn't match Pod's node affinity/selector"
NO_PORTS = "node(s) didn't have free ports for the requested pod ports"
TOO_MANY = "Too many pods"
_NO_HELP = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"
_UNRESOLVABLE = (UNSCHEDULABLE, TAINTED, NO_MATCH)
_CORDON_TAINT = "node.kubernetes.io/unschedulable"

Tie = Callable[[Sequence[str]], str]
"""Picks one of several equally good nodes, by name."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The name of the node to bind the pod to."""

    node: str


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """Upstream's message about the reasons of all nodes."""

    message: str


@dataclass(frozen=True, slots=True)
class _PodInfo:
    """The pod to place, with everything that is the same for every node."""

    pod: Pod
    requests: Amounts
    ports: frozenset[HostPort]
    group: str
    terms: InterPodTerms


def choose(pod: Pod, snapshot: Snapshot, *, tie: Tie) -> Chosen | Unschedulable:
    """Returns the node to use, or why none fits. If several nodes have the best rank, `tie` picks one."""
    if snapshot.nodes and (problem := claim_problem(pod, snapshot.claims)):
        return Unschedulable(_explain_for_all(problem, len(snapshot.nodes)))
    pod_info = _PodInfo(pod, requests_of(pod), host_ports(pod), group_of(pod), terms_of(pod, snapshot))
    failures: list[tuple[str, ...]] = []
    fitting: list[NodeInfo] = []
    for node_info in snapshot.nodes.values():
        reasons = filter_node(pod_info, node_info)
        if reasons:
            failures.append(reasons)
        else:
            fitting.append(node_info)
    if not fitting:
        return Unschedulable(_explain(failures))
    ranks = [(_rank(pod_info, node_info), node_info.node.metadata.name) for node_info in fitting]
    best = min(rank for rank, _ in ranks)
    names = sorted(name for rank, name in ranks if rank == best)
    return Chosen(names[0] if len(names) == 1 else tie(names))


def filter_node(pod_info: _PodInfo, node_info: NodeInfo) -> tuple[str, ...]:
    """Returns why the node cannot run the pod: the first reason of the first filter that rejects it, or all missing
    resources."""
    pod, node = pod_info.pod, node_info.node
    if node.spec.unschedulable and not tolerates_all(pod, _CORDON_TAINT):
        return (UNSCHEDULABLE,)
    if not _is_ready(node) or untolerated(pod, node.spec.taints, ("NoSchedule", "NoExecute")):
        return (TAINTED,)
    if not matches_required(pod, node):
        return (NO_MATCH,)
    if pod_info.ports and conflicts(pod_info.ports, (port for port, count in node_info.ports.items() if count > 0)):
        return (NO_PORTS,)
    missing = _missing_resources(pod_info, node_info)
    if missing:
        return missing
    reason = pod_info.terms.filter(node_info)
    return (reason,) if reason else ()


def _is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


def _missing_resources(pod_info: _PodInfo, node_info: NodeInfo) -> tuple[str, ...]:
    have = node_info.allocatable
    if have is None:
        return ()
    reasons = []
    if "pods" in have and len(node_info.pods) + 1 > have["pods"]:
        reasons.append(TOO_MANY)
    for name, value in sorted(pod_info.requests.items()):
        if value > 0 and value > have.get(name, 0) - node_info.used[name]:
            reasons.append(f"Insufficient {name}")
    return tuple(reasons)


Rank = tuple[int, int, int, int, float]


def _rank(pod_info: _PodInfo, node_info: NodeInfo) -> Rank:
    """Returns the rank of the node; a smaller rank is better."""
    soft = [t for t in node_info.node.spec.taints if t.effect == "PreferNoSchedule"]
    return (
        _untolerated_count(pod_info.pod, soft),
        -preferred_weight(pod_info.pod, node_info.node) - pod_info.terms.affinity_score(node_info),
        pod_info.terms.spread_score(node_info),
        node_info.groups[pod_info.group],
        _load(node_info),
    )


def _untolerated_count(pod: Pod, taints: Sequence[Taint]) -> int:
    return sum(untolerated(pod, [taint], (taint.effect,)) for taint in taints)


def _load(node_info: NodeInfo) -> float:
    """Returns the share of cpu and memory in use; if a node does not report its resources, the number of its pods."""
    have = node_info.allocatable
    shares = [node_info.weight[name] / have[name] for name in ("cpu", "memory") if have and have.get(name)]
    return round(sum(shares) / len(shares), 4) if shares else float(len(node_info.pods))


def _explain_for_all(problem: str, total: int) -> str:
    """Returns the message about a problem of the pod itself, which holds on every node."""
    head = f"0/{total} nodes are available: "
    return f"{head}{problem}. preemption: {head}{total} {_NO_HELP}."


def _explain(failures: Sequence[tuple[str, ...]]) -> str:
    total = len(failures)
    if not total:
        return "no nodes available to schedule pods"
    reasons = Counter(reason for node_reasons in failures for reason in node_reasons)
    help = Counter(_NO_HELP if node_reasons[0] in _UNRESOLVABLE else _NO_VICTIMS for node_reasons in failures)
    head = f"0/{total} nodes are available: "
    return f"{head}{_counted(reasons)}. preemption: {head}{_counted(help)}."


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
