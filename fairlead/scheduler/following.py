"""Follows the API: keeps the snapshot and the queue up to date, and wakes pods that a change can help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.api.core.namespace.kind import NAMESPACE, Namespace
from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.informer import InformerSet
from fairlead.scheduler.cache.podinfo import PodInfo, pod_info
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change, Plugin
from fairlead.scheduler.metrics import SchedulerMetrics
from fairlead.scheduler.names import NAME
from fairlead.scheduler.queue import SchedulingQueue

_FLUSH_S = 0.25
"""Seconds in which changes are collected before the waiting pods are asked."""
_EXPIRE_S = 30.0
"""Seconds between two looks for pods that have waited for too long."""


class Follower:
    """The snapshot and the queue, as of the last change."""

    def __init__(self, informers: InformerSet, plugins: Sequence[Plugin], metrics: SchedulerMetrics) -> None:
        self.snapshot = Snapshot()
        self.queue = SchedulingQueue({plugin.name: plugin.helps for plugin in plugins})
        self.pods = informers.of(POD)
        self._informers = informers
        self._plugins = plugins
        self.metrics = metrics
        metrics.pending = self.pending
        self._watched: dict[str, bool] = {}
        """Further kinds, by resource name, with whether their objects are cached."""
        self._infos: dict[str, PodInfo] = {}
        """The waiting pods, read once."""
        self._assumed: set[str] = set()
        self._changes: list[Change] = []
        self._timer: asyncio.TimerHandle | None = None
        self._flushed_at = float("-inf")
        self._ready = asyncio.Event()
        informers.of(NODE).add_handler(self._on_node)
        informers.of(NAMESPACE).add_handler(self._on_namespace)
        self.pods.add_handler(self._on_pod)

    async def next(self) -> tuple[str, Pod]:
        """Waits for a pod to try."""
        loop = asyncio.get_running_loop()
        while True:
            entry = self.queue.pop(loop.time())
            if entry is not None:
                return entry
            self._ready.clear()
            due = self.queue.next_at()
            wait = _EXPIRE_S if due is None else max(0.0, min(_EXPIRE_S, due - loop.time()))
            try:
                async with asyncio.timeout(wait):
                    await self._ready.wait()
            except TimeoutError:
                self.queue.flush(loop.time())

    def info_of(self, key: str, pod: Pod) -> PodInfo:
        info = self._infos.get(key)
        if info is None or info.pod is not pod:
            info = self._infos[key] = pod_info(pod)
        return info

    def missing_kinds(self, pod: Pod) -> Sequence[Kind[Any]]:
        """Returns the kinds that plug-ins must read for the pod and that are not cached yet."""
        kinds = [kind for plugin in self._plugins for kind in plugin.kinds(pod)]
        return [kind for kind in kinds if not self._watched.get(kind.resource)]

    async def watch(self, kinds: Sequence[Kind[Any]]) -> None:
        """Caches the objects of these kinds from now on; returns when they are there."""
        for kind in kinds:
            informer = self._informers.of(kind)
            if kind.resource not in self._watched:
                self._watched[kind.resource] = False
                self.snapshot.share(kind, informer.items)
                informer.add_handler(self._handler(kind))
            await informer.synced.wait()
            self._watched[kind.resource] = True

    def requeue(self, key: str) -> None:
        """Tries a pod again that was taken from the queue and not tried."""
        pod = self.pods.get(key)
        self.queue.drop(key)
        if pod is not None and is_ours(pod):
            self.queue.put(key, pod, asyncio.get_running_loop().time())
            self._ready.set()

    def pending(self) -> Mapping[str, int]:
        """Returns the number of pods in each of the metric's queues. A pod that is being tried counts as active."""
        counts = self.queue.counts()
        gated = (1 for p in self.pods.items.values() if p.spec.schedulingGates and not p.spec.nodeName and is_ours(p))
        return {
            "active": counts["active"] + counts["busy"],
            "backoff": counts["backoff"],
            "unschedulable": counts["parked"],
            "gated": sum(gated),
        }

    def park(self, key: str, plugins: frozenset[str]) -> None:
        self.queue.park(key, plugins, asyncio.get_running_loop().time())

    def retry(self, key: str) -> None:
        """Tries the pod again after an error."""
        self.queue.retry(key, asyncio.get_running_loop().time())
        self._ready.set()

    def wake(self, key: str) -> None:
        """Tries a parked pod again."""
        self.queue.wake_all([key])
        self._ready.set()

    def assume(self, info: PodInfo, node: str) -> None:
        """Counts the pod as placed until the watch or an error of the binding says more."""
        self._assumed.add(info.key)
        self.snapshot.withdraw(info.key)
        self.snapshot.place(info, node)

    def unassume(self, key: str, placed: Pod) -> None:
        """Reverts `assume` after a failed binding. `placed` is the pod as it would have been."""
        if key not in self._assumed:
            return
        self._assumed.discard(key)
        self.snapshot.remove_pod(key)
        self.changed(Change(POD, placed, None))
        self.retry(key)

    def changed(self, change: Change) -> None:
        """Asks the parked pods soon, once for many changes."""
        if not len(self.queue):
            return
        self._changes.append(change)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._flushed_at + _FLUSH_S), self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._flushed_at = asyncio.get_running_loop().time()
        changes, self._changes = self._changes, []
        self.queue.wake(changes)
        self._ready.set()

    def _handler(self, kind: Kind[Any]) -> Callable[[str, Any, Any], None]:
        def handle(key: str, old: Any, new: Any) -> None:
            self.snapshot.changed()
            self.changed(Change(kind, old, new))

        return handle

    def _on_node(self, key: str, old: Node | None, new: Node | None) -> None:
        if new is None:
            self.snapshot.remove_node(key)
        else:
            self.snapshot.put_node(new)
        if old is None or new is None or _node_facts(old) != _node_facts(new):
            self.changed(Change(NODE, old, new))

    def _on_namespace(self, key: str, old: Namespace | None, new: Namespace | None) -> None:
        self.snapshot.namespaces.pop(key, None)
        if new is not None:
            self.snapshot.namespaces[key] = new.metadata.labels
        if old is None or new is None or old.metadata.labels != new.metadata.labels:
            self.snapshot.changed()
            self.changed(Change(NAMESPACE, old, new))

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        if new is None or new.status.phase in ("Succeeded", "Failed"):
            self._forget(key)
            self.snapshot.remove_pod(key)
            if old is not None and old.spec.nodeName and old.status.phase not in ("Succeeded", "Failed"):
                self.changed(Change(POD, old, None))
        elif new.spec.nodeName:
            self._forget(key)
            if old is None or not old.spec.nodeName or _pod_facts(old) != _pod_facts(new):
                self.snapshot.put_pod(key, new, new.spec.nodeName)
                self.changed(Change(POD, old, new))
        elif not is_ours(new):
            self._forget(key)
        elif key not in self._assumed:
            self._put_waiting(key, old, new)

    def _put_waiting(self, key: str, old: Pod | None, new: Pod) -> None:
        if new.spec.schedulingGates:
            self.queue.drop(key)
            return
        self.queue.put(key, new, asyncio.get_running_loop().time())
        if new.status.nominatedNodeName:
            self.snapshot.nominate(self.info_of(key, new), new.status.nominatedNodeName)
        else:
            self.snapshot.withdraw(key)
        if old is not None and _pod_facts(old) != _pod_facts(new):
            self.queue.wake_one(key, Change(POD, old, new))
        self._ready.set()

    def _forget(self, key: str) -> None:
        self._assumed.discard(key)
        self._infos.pop(key, None)
        self.queue.drop(key)
        self.snapshot.withdraw(key)


def is_ours(pod: Pod) -> bool:
    """Returns whether this scheduler places the pod."""
    return pod.spec.schedulerName in ("", NAME) and not pod.metadata.deletionTimestamp


def _pod_facts(pod: Pod) -> tuple[object, ...]:
    """Returns the facts that placing depends on: a change of status alone changes none of them."""
    return pod.metadata.uid, pod.metadata.labels, pod.spec, bool(pod.metadata.deletionTimestamp)


def _node_facts(node: Node) -> tuple[object, ...]:
    ready = [(c.type, c.status) for c in node.status.conditions if c.type == "Ready"]
    return node.metadata.labels, node.spec, node.status.allocatable, ready
