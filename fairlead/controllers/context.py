"""The arguments of every controller, and the type of the functions that make controllers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass, field
from fairlead.base.ids import IdSource
from fairlead.base.instant import Instant
from fairlead.base.log import SILENT, Log
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.runtime.apply import Applier
from fairlead.runtime.client import Client
from fairlead.runtime.events import Recorder
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.queue import QueueMetrics, WorkQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times, by default those of upstream's controller manager."""

    node_grace_s: float = 50.0
    """Age in seconds of a node's lease from which the node is Unknown."""
    node_start_grace_s: float = 60.0
    """The same for a node that has never reported its status."""
    absent_node_grace_s: float = 40.0
    """Seconds after which the pods of a deleted node are deleted."""
    pod_ranges: Callable[[], Sequence[Sequence[str]]] = tuple
    """Returns the ranges of Pod addresses that Nodes can have, one of each family, the first for the first node."""
    log: Log = SILENT
    queues: QueueMetrics = field(default_factory=QueueMetrics)
    """Gets the queue of each controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The shared objects that each controller is made with."""

    client_of: Callable[[str], Client]
    """Returns a client for a controller, with the identity of a service account of kube-system."""
    scheme: Scheme
    informers: InformerSet
    clock: Clock
    rng: random.Random
    ids: IdSource
    ca_pem: str
    settings: Settings
    log: Log
    started: Instant
    recorders: list[Recorder] = field(default_factory=list)
    """One for each controller that writes Events; the caller runs them beside the controllers."""

    def applier(self, component: str, *, account: str = "") -> Applier:
        """Returns an applier for a component, which Events name as their source. `account` is the service account
        whose permissions the component has, if it has another name."""
        client = self.client_of(account or component)
        recorder = Recorder(client, component=component, clock=self.clock, log=self.log)
        self.recorders.append(recorder)
        return Applier(client, informers=self.informers, recorder=recorder, clock=self.clock)

    def queue(self) -> WorkQueue:
        return WorkQueue(rng=self.rng)
