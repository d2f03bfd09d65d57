"""Chooses a node for one pod, or says in upstream's words why none fits.

A node fits if no plug-in rejects it; of the nodes that fit, the one with the greatest weighted sum of scores is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice

from fairlead.base.dataclass import dataclass, field
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.explain import NO_NODES, available, counted
from fairlead.scheduler.framework import Cycle, Plugin, Rejection, Reservation
from fairlead.scheduler.plugins import PLUGINS

_ENOUGH = 100
"""Number of fitting nodes that are always enough to choose from."""

Tie = Callable[[Sequence[str]], str]
"""Picks one of several equally good nodes, by name."""
Filter = Callable[[NodeInfo], Rejection | None]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The node to bind the pod to, and what plug-ins must reserve there."""

    node: str
    reserve: tuple[Callable[[NodeInfo], Reservation], ...] = ()
    examined: int = 0
    """Number of nodes that were examined; the next search begins after them."""


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """The reasons of all nodes."""

    message: str
    plugins: frozenset[str] = frozenset()
    """Names of the plug-ins that rejected a node."""
    rejections: Mapping[str, Rejection] = field(default_factory=dict)
    """The reasons of each examined node, by name; nodes that are excluded by name are absent."""


@dataclass(slots=True)
class _Prepared:
    """The plug-ins that have an effect on the pod, ready for one snapshot."""

    filters: list[tuple[str, Filter]] = field(default_factory=list)
    cycles: list[tuple[Plugin, Cycle]] = field(default_factory=list)
    nodes: frozenset[str] | None = None
    restricting: list[str] = field(default_factory=list)
    """Names of the plug-ins that restrict the pod to `nodes`."""

    def add(self, plugin: Plugin, cycle: Cycle) -> None:
        self.cycles.append((plugin, cycle))
        if cycle.filter is not None:
            self.filters.append((plugin.name, cycle.filter))
        if cycle.nodes is not None:
            self.nodes = cycle.nodes if self.nodes is None else self.nodes & cycle.nodes
            self.restricting.append(plugin.name)

    def rejection(self, node: NodeInfo) -> tuple[str, Rejection] | None:
        """Returns the first plug-in that rejects the node, and its reasons."""
        for name, filter in self.filters:
            rejection = filter(node)
            if rejection is not None:
                return name, rejection
        return None

    def problem(self) -> str:
        """Returns the reason that excludes every node by name, or an empty text."""
        if self.nodes is None or self.nodes:
            return ""
        names = sorted(self.restricting)
        several = f"plugin(s) [{' '.join(names)}] simultaneously"
        return f"node(s) didn't satisfy {several if len(names) > 1 else f'plugin {names[0]}'}"


def choose(
    info: PodInfo, snapshot: Snapshot, *, tie: Tie, start: int = 0, plugins: Sequence[Plugin] = PLUGINS
) -> Chosen | Unschedulable:
    """Returns the node to use, or why none fits. If several nodes have the greatest score, `tie` picks one. In a large
    cluster the search begins with the node at `start` and ends when enough nodes fit."""
    if not snapshot.nodes:
        return Unschedulable(NO_NODES, frozenset(plugin.name for plugin in plugins))
    prepared = _prepare(info, snapshot, plugins)
    if isinstance(prepared, Unschedulable):
        return prepared
    search = _Search(info, snapshot, prepared, plugins)
    nominated = snapshot.nominated.get(info.key)
    if nominated is not None and nominated.node in snapshot.nodes and search.fits(snapshot.nodes[nominated.node]):
        return _chosen(nominated.node, prepared, 0)
    candidates = _candidates(snapshot, prepared, start)
    enough = _enough(len(snapshot.nodes))
    fitting = list(islice(filter(search.fits, candidates), enough))
    if not fitting:
        return _unschedulable(snapshot, prepared, search)
    examined = len(fitting) + len(search.rejections)
    if len(fitting) == 1:
        return _chosen(fitting[0].name, prepared, examined)
    return _chosen(_best(fitting, prepared, tie), prepared, examined)


def rejection_of(info: PodInfo, snapshot: Snapshot, node: str, plugins: Sequence[Plugin]) -> Rejection | None:
    """Returns why the pod does not fit on the node, or None."""
    prepared = _prepare(info, snapshot, plugins)
    if isinstance(prepared, Unschedulable):
        return prepared.rejections[node]
    search = _Search(info, snapshot, prepared, plugins)
    return None if search.fits(snapshot.nodes[node]) else search.rejections[node]


def _prepare(info: PodInfo, snapshot: Snapshot, plugins: Sequence[Plugin]) -> _Prepared | Unschedulable:
    prepared = _Prepared()
    for plugin in plugins:
        result = plugin.prepare(info, snapshot)
        if isinstance(result, Rejection):
            return _rejected(plugin.name, result, snapshot)
        if result is not None:
            prepared.add(plugin, result)
    if problem := prepared.problem():
        return _rejected(prepared.restricting[0], Rejection((problem,)), snapshot)
    return prepared


def _rejected(name: str, rejection: Rejection, snapshot: Snapshot) -> Unschedulable:
    """Returns the result of a problem of the pod itself, which holds on every node."""
    message = f"{available(len(snapshot.nodes))} {', '.join(rejection.reasons)}."
    return Unschedulable(message, frozenset((name,)), dict.fromkeys(snapshot.nodes, rejection))


@dataclass(slots=True)
class _Search:
    """Examines nodes, and records why those do not fit."""

    info: PodInfo
    snapshot: Snapshot
    prepared: _Prepared
    plugins: Sequence[Plugin]
    rejections: dict[str, Rejection] = field(default_factory=dict)
    rejecting: set[str] = field(default_factory=set)

    def fits(self, node: NodeInfo) -> bool:
        """Returns whether the pod fits, also once the pods are there that room is kept for."""
        result = None
        if self.snapshot.nominated:
            result = self._rejection_with_nominated(node)
        result = result or self.prepared.rejection(node)
        if result is None:
            return True
        self.rejecting.add(result[0])
        self.rejections[node.name] = result[1]
        return False

    def _rejection_with_nominated(self, node: NodeInfo) -> tuple[str, Rejection] | None:
        others = [
            placed.info
            for key, placed in self.snapshot.nominated.items()
            if placed.node == node.name and key != self.info.key and placed.info.priority >= self.info.priority
        ]
        if not others:
            return None
        other = self.snapshot.simulate(node.name, add=others)
        prepared = _prepare(self.info, other, self.plugins)
        if isinstance(prepared, Unschedulable):
            return next(iter(prepared.plugins)), prepared.rejections[node.name]
        return prepared.rejection(other.nodes[node.name])


def _candidates(snapshot: Snapshot, prepared: _Prepared, start: int) -> Iterable[NodeInfo]:
    if prepared.nodes is not None:
        return [snapshot.nodes[name] for name in sorted(prepared.nodes) if name in snapshot.nodes]
    nodes = list(snapshot.nodes.values())
    begin = start % len(nodes)
    return chain(nodes[begin:], nodes[:begin]) if begin else nodes


def _enough(total: int) -> int:
    """Returns how many fitting nodes are enough: all of up to 100, else a share that falls from half to a twentieth."""
    share = max(5, 50 - total // 125)
    return max(_ENOUGH, total * share // 100)


def _best(nodes: Sequence[NodeInfo], prepared: _Prepared, tie: Tie) -> str:
    totals = [0] * len(nodes)
    for plugin, cycle in prepared.cycles:
        if cycle.score is not None:
            scores = cycle.score(nodes)
            weight = plugin.weight
            if scores:
                totals = [total + weight * score for total, score in zip(totals, scores, strict=True)]
    most = max(totals)
    names = sorted(node.name for node, total in zip(nodes, totals, strict=True) if total == most)
    return names[0] if len(names) == 1 else tie(names)


def _chosen(node: str, prepared: _Prepared, examined: int) -> Chosen:
    reserve = tuple(cycle.reserve for _, cycle in prepared.cycles if cycle.reserve is not None)
    return Chosen(node, reserve, examined)


def _unschedulable(snapshot: Snapshot, prepared: _Prepared, search: _Search) -> Unschedulable:
    reasons = (reason for rejection in search.rejections.values() for reason in rejection.reasons)
    absent = f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(prepared.restricting))}]"
    message = counted(len(snapshot.nodes), reasons, absent=absent, known=len(search.rejections))
    return Unschedulable(message, frozenset(search.rejecting | set(prepared.restricting)), search.rejections)
