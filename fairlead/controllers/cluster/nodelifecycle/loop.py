"""Feeds the node controller: nodes, their leases, and the pods on them. Wakes for deadlines, never polls.

During an outage of the API server no lease can be renewed, so a missed renewal says nothing about the node. The same
holds if the machine's clock was set, or the machine has slept. In these cases every node gets its grace period anew.
"""

from __future__ import annotations

from fairlead.api.coordination.lease.kind import LEASE, Lease
from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.clock import ClockSetting
from fairlead.base.dataclass import replace
from fairlead.base.instant import Instant
from fairlead.base.keys import key_of
from fairlead.controllers.cluster.nodelifecycle.eviction import TaintKey, eviction_time, first_seen
from fairlead.controllers.cluster.nodelifecycle.plan import Grace, Observed, reconcile, registered, removed
from fairlead.controllers.context import Context
from fairlead.runtime.index import Index
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan

LEASES = "kube-node-lease"
_WITHOUT_SERVER_S = 5.0


def controller(context: Context) -> Controller:
    return _Nodes(context).controller


class _Nodes:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._nodes = context.informers.of(NODE)
        self._leases = context.informers.of(LEASE)
        pods = context.informers.of(POD)
        self._pods = Index(pods, lambda pod: (pod.spec.nodeName,) if pod.spec.nodeName else ())
        self.controller = Controller(
            "nodelifecycle", context.queue(), planned(self._reconcile, context.applier("node-controller"))
        )
        self._nodes.add_handler(lambda key, old, new: self.controller.queue.add(key))
        self._since = context.started
        self._known: dict[str, Node] = {}
        """The nodes that were reconciled, by name, without spec and status."""
        self._setting = ClockSetting(context.clock)
        self._taints_seen: dict[str, dict[TaintKey, Instant]] = {}
        """By node name. Lost with the process, as upstream's: the seconds are then counted anew."""
        self._pending: dict[str, frozenset[str]] = {}
        """Pods that a taint evicts later, by the name of their node."""
        self._leases.add_handler(self._on_lease)
        self._leases.add_return_handler(self._on_return)
        pods.add_handler(self._on_pod)

    def _on_lease(self, key: str, old: Lease | None, new: Lease | None) -> None:
        """Queues the node for a first lease only. A renewal moves the deadline, which is checked when it expires."""
        if old is None and new is not None and new.metadata.namespace == LEASES:
            self.controller.queue.add(new.metadata.name)

    def _on_return(self) -> None:
        self._since = self._context.clock.now()

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        """Queues the node of a changed pod if the node has taints: the pod may have to be marked or evicted. Pods of
        healthy nodes need nothing."""
        node = self._nodes.get(new.spec.nodeName) if new is not None and new.spec.nodeName else None
        if node is not None and node.spec.taints:
            self.controller.queue.add(node.metadata.name)

    def _reconcile(self, key: str) -> Plan | None:
        node = self._nodes.get(key)
        if node is None:
            self._taints_seen.pop(key, None)
            self._pending.pop(key, None)
            known = self._known.pop(key, None)
            return Plan(events=(removed(known),)) if known is not None else None
        context = self._context
        now = context.clock.now()
        if self._setting.was_set():
            self._since = now
        seen = self._taints_seen[key] = first_seen(node.spec.taints, self._taints_seen.get(key, {}), now)
        if self._leases.interrupted:
            return Plan(retry_after=_WITHOUT_SERVER_S)
        pods = self._pods.get(key)
        observed = Observed(self._since, seen, self._pending.get(key, ()))
        self._pending[key] = frozenset(
            key_of(pod.metadata) for pod in pods if eviction_time(pod, node.spec.taints, seen, now) is not None
        )
        lease = self._leases.get(f"{LEASES}/{key}")
        times = Grace(context.settings.node_grace_s, context.settings.node_start_grace_s)
        plan = reconcile(node, lease, pods, observed=observed, times=times, now=now)
        if key in self._known:
            return plan
        self._known[key] = Node(kind=NODE.kind, apiVersion=NODE.api_version, metadata=node.metadata)
        return replace(plan, events=(registered(node), *plan.events))
