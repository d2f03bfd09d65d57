"""Chooses a node for one pod, or says in upstream's words why none fits.

Nodes are compared by the user's preferences first, then by the number of pods of the same group, then by load.
Rejected: upstream's weighted sum, which may put three replicas on one of three nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairlead.api.core.node.kind import Node, Taint
from fairlead.api.core.pod.hostports import HostPort, conflicts, host_ports
from fairlead.api.core.pod.kind import Pod
from fairlead.scheduler.claims import claim_problem
from fairlead.scheduler.nodeterms import matches_required, preferred_weight
from fairlead.scheduler.podterms import Neighbours, neighbours_of
from fairlead.scheduler.resources import Amounts, requests_of
from fairlead.scheduler.snapshot import NodeView, Snapshot, group_of
from fairlead.scheduler.taints import tolerates_all, untolerated

UNSCHEDULABLE = "node(s) were unschedulable"
TAINTED = "node(s) had untolerated taint(s)"
NO_MATCH = "node(s) didn't match Pod's node affinity/selector"
NO_PORTS = "node(s) didn't have free ports for the requested pod ports"
TOO_MANY = "Too many pods"
_NO_HELP = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"
_HOPELESS = (UNSCHEDULABLE, TAINTED, NO_MATCH)
_TAKES_ALL = "node.kubernetes.io/unschedulable"

Tie = Callable[[Sequence[str]], str]
"""Picks one of several equally good nodes, by name."""


@dataclass(frozen=True, slots=True)
class Chosen:
    node: str


@dataclass(frozen=True, slots=True)
class NoFit:
    message: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """The pod to place, with everything that is the same for every node."""

    pod: Pod
    requests: Amounts
    ports: frozenset[HostPort]
    group: str
    neighbours: Neighbours


def choose(pod: Pod, snapshot: Snapshot, *, tie: Tie) -> Chosen | NoFit:
    if snapshot.nodes and (problem := claim_problem(pod, snapshot.claims)):
        return NoFit(_explain_for_all(problem, len(snapshot.nodes)))
    wish = _Wish(pod, requests_of(pod), host_ports(pod), group_of(pod), neighbours_of(pod, snapshot))
    refusals: list[tuple[str, ...]] = []
    fitting: list[NodeView] = []
    for view in snapshot.nodes.values():
        refusal = refuse(wish, view)
        if refusal:
            refusals.append(refusal)
        else:
            fitting.append(view)
    if not fitting:
        return NoFit(_explain(refusals))
    ranks = [(_rank(wish, view), view.node.metadata.name) for view in fitting]
    best = min(rank for rank, _ in ranks)
    names = sorted(name for rank, name in ranks if rank == best)
    return Chosen(names[0] if len(names) == 1 else tie(names))


def refuse(wish: _Wish, view: NodeView) -> tuple[str, ...]:
    """Returns why the node cannot run the pod: the first reason of the first filter that rejects it, or all missing
    resources."""
    pod, node = wish.pod, view.node
    if node.spec.unschedulable and not tolerates_all(pod, _TAKES_ALL):
        return (UNSCHEDULABLE,)
    if not _is_ready(node) or untolerated(pod, node.spec.taints, ("NoSchedule", "NoExecute")):
        return (TAINTED,)
    if not matches_required(pod, node):
        return (NO_MATCH,)
    if wish.ports and conflicts(wish.ports, (port for port, count in view.ports.items() if count > 0)):
        return (NO_PORTS,)
    lacking = _lacking(wish, view)
    if lacking:
        return lacking
    refusal = wish.neighbours.refusal(view)
    return (refusal,) if refusal else ()


def _is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


def _lacking(wish: _Wish, view: NodeView) -> tuple[str, ...]:
    have = view.allocatable
    if have is None:
        return ()
    reasons = []
    if "pods" in have and len(view.pods) + 1 > have["pods"]:
        reasons.append(TOO_MANY)
    for name, value in sorted(wish.requests.items()):
        if value > 0 and value > have.get(name, 0) - view.used[name]:
            reasons.append(f"Insufficient {name}")
    return tuple(reasons)


Rank = tuple[int, int, int, int, float]


def _rank(wish: _Wish, view: NodeView) -> Rank:
    """Returns the rank of the node; a smaller rank is better."""
    soft = [t for t in view.node.spec.taints if t.effect == "PreferNoSchedule"]
    return (
        _untolerated_count(wish.pod, soft),
        -preferred_weight(wish.pod, view.node) - wish.neighbours.liking(view),
        wish.neighbours.unevenness(view),
        view.groups[wish.group],
        _load(view),
    )


def _untolerated_count(pod: Pod, taints: Sequence[Taint]) -> int:
    return sum(untolerated(pod, [taint], (taint.effect,)) for taint in taints)


def _load(view: NodeView) -> float:
    """Returns the share of cpu and memory in use; if a node does not report its resources, the number of its pods."""
    have = view.allocatable
    shares = [view.weight[name] / have[name] for name in ("cpu", "memory") if have and have.get(name)]
    return round(sum(shares) / len(shares), 4) if shares else float(len(view.pods))


def _explain_for_all(problem: str, total: int) -> str:
    """Returns the message about a problem of the pod itself, which holds on every node."""
    head = f"0/{total} nodes are available: "
    return f"{head}{problem}. preemption: {head}{total} {_NO_HELP}."


def _explain(refusals: Sequence[tuple[str, ...]]) -> str:
    total = len(refusals)
    if not total:
        return "no nodes available to schedule pods"
    reasons = Counter(reason for refusal in refusals for reason in refusal)
    help = Counter(_NO_HELP if refusal[0] in _HOPELESS else _NO_VICTIMS for refusal in refusals)
    head = f"0/{total} nodes are available: "
    return f"{head}{_counted(reasons)}. preemption: {head}{_counted(help)}."


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
