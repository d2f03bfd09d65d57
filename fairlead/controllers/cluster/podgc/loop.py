"""Feeds the pod garbage collector: pods whose Node object does not exist."""

from __future__ import annotations

from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.instant import Instant
from fairlead.controllers.cluster.podgc.plan import reconcile
from fairlead.controllers.context import Context
from fairlead.runtime.index import Index
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan


def controller(context: Context) -> Controller:
    return _Orphans(context).controller


class _Orphans:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._gone: dict[str, Instant] = {}
        self._nodes = context.informers.of(NODE)
        self._pods = context.informers.of(POD)
        self._by_node = Index(self._pods, lambda pod: (pod.spec.nodeName,) if pod.spec.nodeName else ())
        self.controller = Controller(
            "podgc", context.queue(), planned(self._reconcile, context.applier("pod-garbage-collector"))
        )
        self._nodes.add_handler(self._on_node)
        self._pods.add_handler(self._on_pod)

    def _on_node(self, key: str, old: Node | None, new: Node | None) -> None:
        if new is not None:
            self._gone.pop(key, None)
            return
        self._gone[key] = self._context.clock.now()
        for pod_key in sorted(self._by_node.keys(key)):
            self.controller.queue.add(pod_key)

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            return
        if new.spec.nodeName:
            # The reconcile checks whether the node exists: at start, nodes may be listed after pods.
            if old is None or not old.spec.nodeName:
                self.controller.queue.add(key)
        elif new.metadata.deletionTimestamp:
            self.controller.queue.add(key)

    def _reconcile(self, key: str) -> Plan | None:
        pod = self._pods.get(key)
        if pod is None:
            return None
        now = self._context.clock.now()
        gone = None
        if pod.spec.nodeName and self._nodes.get(pod.spec.nodeName) is None:
            gone = self._gone.setdefault(pod.spec.nodeName, now)
        return reconcile(pod, gone, grace_s=self._context.settings.absent_node_grace_s, now=now)
