"""The pods of a DaemonSet that are too many, and those that an update replaces next. Pure facts about pods by node.

What must stay true: without surge, the update takes the available pod from at most `unavailable` nodes; with
surge, a node keeps its old available pod until the new one is available.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.apps.daemonset.kind import TEMPLATE_GENERATION, DaemonSet
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import is_ready
from fairlead.api.meta.amounts import number_of
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import Instant
from fairlead.controllers.workloads.daemonset.nodes import GENERATION_LABEL, Fit
from fairlead.controllers.workloads.history import HASH_LABEL
from fairlead.controllers.workloads.podfacts import is_available

PodsByNode = Mapping[str, Sequence[Pod]]


@dataclass(frozen=True, slots=True)
class Case:
    """One DaemonSet with its pods and nodes, at one moment."""

    ds: DaemonSet
    pods: PodsByNode
    """Pods by the name of the node, also of nodes that should run a pod and do not."""
    fits: Mapping[str, Fit]
    """The fit of each node that exists, by its name."""
    hash: str
    now: Instant

    def is_updated(self, pod: Pod) -> bool:
        """Returns whether the pod has the set's template, by its hash or, for pods of old clients, its generation."""
        labels, generation = pod.metadata.labels, self.ds.metadata.annotations.get(TEMPLATE_GENERATION)
        return labels.get(HASH_LABEL) == self.hash or bool(generation and labels.get(GENERATION_LABEL) == generation)

    def is_available(self, pod: Pod) -> bool:
        return is_available(pod, self.ds.spec.minReadySeconds, self.now)

    @property
    def desired(self) -> int:
        return sum(fit.should_run for fit in self.fits.values())


@dataclass(slots=True)
class Change:
    """Pods to delete, and the nodes that get a new pod."""

    delete: list[Pod] = field(default_factory=list)
    create: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.delete or self.create)


def by_age(pod: Pod) -> tuple[bool, str, str]:
    """Returns the sort key for the pods of one node: those that have a node come first, then the oldest."""
    return not pod.spec.nodeName, pod.metadata.creationTimestamp or "", pod.metadata.name


def surge_of(ds: DaemonSet, nodes: int) -> int:
    """Returns the number of nodes that may have two pods during an update."""
    rolling = ds.spec.updateStrategy.rollingUpdate
    if ds.spec.updateStrategy.type != "RollingUpdate" or rolling is None:
        return 0
    return _share(rolling.maxSurge or 0, nodes)


def unavailable_of(ds: DaemonSet, nodes: int) -> int:
    """Returns the number of nodes that may be without an available pod during an update, at least 1 if none may
    be surplus."""
    rolling = ds.spec.updateStrategy.rollingUpdate
    number = _share(1 if rolling is None or rolling.maxUnavailable is None else rolling.maxUnavailable, nodes)
    return 1 if nodes and not number and not surge_of(ds, nodes) else number


def _share(amount: int | str, total: int) -> int:
    number = number_of(amount) or 0
    return number if isinstance(amount, int) else -(-number * total // 100)


def excess(case: Case, running: Sequence[Pod]) -> list[Pod]:
    """Returns the pods of one node that are too many. With surge, an old and a new pod may stand side by side."""
    ordered = sorted(running, key=by_age)
    if not surge_of(case.ds, 1):
        return ordered[1:]
    new = [pod for pod in ordered if pod.metadata.labels.get(HASH_LABEL) == case.hash]
    old = [pod for pod in ordered if pod not in new]
    surplus = [*new[1:], *old[1:]]
    if new and old and (not is_ready(old[0]) or case.is_available(new[0])):
        surplus.append(old[0])
    return surplus


def next_updates(case: Case) -> Change:
    """Returns the next step of a rolling update."""
    return _surging(case) if surge_of(case.ds, case.desired) else _replacing(case)


def _pair(case: Case, pods: Sequence[Pod]) -> tuple[Pod | None, Pod | None] | None:
    """Returns the updated and the old pod of a node that are not terminating; None if there are several of a sort."""
    alive = [pod for pod in pods if not pod.metadata.deletionTimestamp]
    new = [pod for pod in alive if case.is_updated(pod)]
    old = [pod for pod in alive if not case.is_updated(pod)]
    if len(new) > 1 or len(old) > 1:
        return None
    return (new[0] if new else None), (old[0] if old else None)


def _replacing(case: Case) -> Change:
    """Deletes old pods: those that are not available at once, others as far as the limit allows."""
    broken: list[Pod] = []
    candidates: list[Pod] = []
    missing = 0
    for _, pods in sorted(case.pods.items()):
        pair = _pair(case, pods)
        new, old = pair or (None, None)
        if old is not None and new is None:
            (candidates if case.is_available(old) else broken).append(old)
        elif new is None or old is not None or not case.is_available(new):
            missing += 1
    room = max(0, unavailable_of(case.ds, case.desired) - missing - len(broken))
    return Change(delete=[*broken, *candidates[:room]])


def _surging(case: Case) -> Change:
    """Creates new pods beside old ones, and deletes an old pod when the new one is available."""
    change = Change()
    candidates: list[str] = []
    leaving: list[Pod] = []
    surging = available = 0
    for node, pods in sorted(case.pods.items()):
        pair = _pair(case, pods)
        if pair is None:
            surging += 1
            continue
        new, old = pair
        present = old or new
        available += present is not None and case.is_available(present)
        if old is None:
            continue
        if new is not None:
            if case.is_available(new):
                change.delete.append(old)
            else:
                surging += 1
        elif not case.fits.get(node, Fit(False, False)).should_run:
            (leaving if case.is_available(old) else change.delete).append(old)
        elif case.is_available(old):
            candidates.append(node)
        else:
            change.create.append(node)
    # A node that no longer matches keeps its pod until enough others are available.
    change.delete += leaving[: max(0, available - case.desired)]
    change.create += candidates[: max(0, surge_of(case.ds, case.desired) - surging)]
    return change
