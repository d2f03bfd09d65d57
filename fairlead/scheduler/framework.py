"""The interface between the scheduler and its plug-ins.

A plug-in is one module below `plugins` with one `Plugin` value, which `plugins/__init__.py` lists. For each pod to
place, `prepare` computes everything that is the same for all nodes; the `Cycle` that it returns is then asked about
each node.

What must stay true: plug-ins are pure. They read the snapshot, and the only I/O is in `Reservation.bind`, which the
loop awaits before it binds the pod.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo

if TYPE_CHECKING:
    from fairlead.runtime.client import Client
    from fairlead.scheduler.cache.snapshot import Snapshot

MAX_SCORE = 100
"""Greatest score that a plug-in gives a node, before its weight."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """The reasons why a pod does not fit, in upstream's words."""

    reasons: tuple[str, ...]
    resolvable: bool = False
    """True if the removal of pods from the node can help, so that preemption is worth a try."""


class Reservation(Protocol):
    """Claim of a plug-in for a pod, from the choice of the node until the pod is bound."""

    async def bind(self, client: Client) -> None:
        """Writes what must be in the API before the pod is bound, and waits until it has effect. Raises StatusError or
        ConnectionError if the pod must be scheduled anew."""

    def release(self) -> None:
        """Reverts the reservation after a failure of any plug-in or of the binding."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """The state of one plug-in for one pod and one snapshot. A function that is None costs nothing."""

    filter: Callable[[NodeInfo], Rejection | None] | None = None
    """Returns why the node cannot run the pod, or None."""
    score: Callable[[Sequence[NodeInfo]], Sequence[int]] | None = None
    """Returns the score of each node that fits, from 0 to `MAX_SCORE`."""
    nodes: frozenset[str] | None = None
    """Names of the only nodes that can fit; None if the plug-in excludes no node by name."""
    reserve: Callable[[NodeInfo], Reservation] | None = None
    """Called when the node is chosen. The snapshot must show the reservation to the next pod."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change in the cluster: `old` is None for a new object, `new` for a deleted one."""

    kind: Kind[Any]
    old: Any
    new: Any


Prepare = Callable[[PodInfo, "Snapshot"], Cycle | Rejection | None]
"""Returns None if the plug-in does not affect the pod, and a Rejection if no node can fit."""
Helps = Callable[[Pod, Change], bool]
"""Returns whether the change can make a pod fit that the plug-in rejected."""


def no_kinds(pod: Pod) -> Sequence[Kind[Any]]:
    return ()


@dataclass(frozen=True, slots=True)
class Plugin:
    """One aspect of the choice of a node."""

    name: str
    prepare: Prepare
    helps: Helps
    weight: int = 1
    """Factor of the scores in the sum over all plug-ins."""
    kinds: Callable[[Pod], Sequence[Kind[Any]]] = no_kinds
    """Returns the further kinds whose objects `prepare` reads for the pod, by `snapshot.objects(kind)`. The scheduler
    watches a kind from the first pod that needs it, and passes each change of an object to `helps`."""
