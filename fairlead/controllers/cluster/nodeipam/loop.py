"""Feeds the controller of Pod ranges: the Nodes without one. A free range is given to a Node that waits."""

from __future__ import annotations

from fairlead.api.core.node.kind import NODE, Node
from fairlead.controllers.context import Context
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan


def controller(context: Context) -> Controller:
    return _Ranges(context).controller


class _Ranges:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._nodes = context.informers.of(NODE)
        work = planned(self._reconcile, context.applier("node-controller"))
        # One worker: two Nodes must not choose the same range.
        self.controller = Controller("nodeipam", context.queue(), work, workers=1)
        self._nodes.add_handler(self._on_node)

    def _on_node(self, key: str, old: Node | None, new: Node | None) -> None:
        if new is None:
            for name, node in self._nodes.items.items():
                if not node.spec.podCIDR:
                    self.controller.queue.add(name)
        elif not new.spec.podCIDR and (old is None or old.spec.podCIDR):
            self.controller.queue.add(key)

    def _reconcile(self, key: str) -> Plan | None:
        from fairlead.controllers.cluster.nodeipam.plan import reconcile

        node, ranges = self._nodes.get(key), self._context.settings.pod_ranges()
        if node is None or not ranges:
            return None
        others = (other for name, other in self._nodes.items.items() if name != key)
        return reconcile(node, others, ranges)
