"""Feeds the DaemonSet controller: DaemonSets, their pods and revisions, and the labels and taints of all nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.apps.daemonset import DAEMON_SET
from fairlead.api.core.node.kind import NODE, Node
from fairlead.base.instant import Instant
from fairlead.base.keys import key_of
from fairlead.controllers.context import Context
from fairlead.controllers.workloads.sets import Sets
from fairlead.runtime.loop import Controller
from fairlead.runtime.plan import Plan

if TYPE_CHECKING:
    from fairlead.api.apps.daemonset.kind import DaemonSet

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 900.0
"""Waits between deletions of failed pods of one node, each twice the last, as upstream."""


def controller(context: Context) -> Controller:
    return _DaemonSets(context).controller


class _DaemonSets(Sets["DaemonSet"]):
    def __init__(self, context: Context) -> None:
        self._nodes = context.informers.of(NODE)
        self._failures: dict[str, dict[tuple[int, str], tuple[Instant, float]]] = {}
        """The last deletion of a failed pod and the wait after it, by set, and in it by generation and node."""
        super().__init__(context, DAEMON_SET, "daemonset-controller", account="daemon-set-controller")

    def followed(self) -> None:
        self._nodes.add_handler(self._on_node)

    async def prepare(self, obj: DaemonSet) -> None:
        await self._nodes.synced.wait()

    def plan(self, obj: DaemonSet) -> Plan:
        from fairlead.controllers.workloads.daemonset.plan import reconcile

        failures = self._failures.get(key_of(obj.metadata), {})

        def not_before(node: str) -> Instant:
            at, wait = failures.get((obj.metadata.generation, node), (Instant(0.0), 0.0))
            return Instant(at + wait)

        return reconcile(
            obj,
            self.pods_of(obj),
            self.revisions_of(obj),
            list(self._nodes.items.values()),
            not_before=not_before,
            now=self.context.clock.now(),
        )

    def applied(self, obj: DaemonSet, plan: Plan) -> None:
        """Notes deletions of failed pods."""
        from fairlead.controllers.workloads.daemonset.plan import failed_nodes

        now = self.context.clock.now()
        failures = self._failures.setdefault(key_of(obj.metadata), {})
        for node in failed_nodes(plan):
            key = obj.metadata.generation, node
            at, wait = failures.get(key, (now, 0.0))
            is_over = now - at > 2 * _LONGEST_WAIT_S
            failures[key] = now, _FIRST_WAIT_S if is_over or not wait else min(2 * wait, _LONGEST_WAIT_S)

    def forgotten(self, key: str) -> None:
        self._failures.pop(key, None)

    def _on_node(self, key: str, old: Node | None, new: Node | None) -> None:
        if old is None or new is None or _facts(old) != _facts(new):
            self.queue_all()


def _facts(node: Node) -> tuple[object, ...]:
    """Returns what decides about pods of sets."""
    return node.metadata.labels, node.spec.taints
