"""Places pods: decides about one pod at a time and writes the bindings concurrently.

A chosen pod counts as placed at once (`assumed`), so the next decision sees it; a failed binding reverts that. An
unschedulable pod waits until a node or another pod changes.
"""

from __future__ import annotations

import asyncio
import random

import msgspec

from fairlead.api.core.namespace.kind import NAMESPACE, Namespace
from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.pod.actions import Binding
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.status import PodCondition
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import Object, ObjectMeta
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import render_time
from fairlead.base.keys import key_of
from fairlead.base.log import SILENT, Log
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client
from fairlead.runtime.events import Recorder
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.loop import Controller, run_controller
from fairlead.runtime.queue import WorkQueue
from fairlead.scheduler.plan import Unschedulable, choose
from fairlead.scheduler.snapshot import Snapshot

NAME = "default-scheduler"
_WORKERS = 32
_FLUSH_S = 0.25
_RETRY_S = 300.0


async def run(client: Client, *, clock: Clock, rng: random.Random, log: Log = SILENT) -> None:
    """Runs until cancelled, through outages of the API server."""
    recorder = Recorder(client, component=NAME, clock=clock, log=log)
    informers = InformerSet(client, log=log)
    scheduler = Scheduler(client, informers=informers, recorder=recorder, clock=clock, rng=rng)
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        group.create_task(informers.run())
        await informers.wait_synced()
        group.create_task(run_controller(scheduler.controller, log=log))


@dataclass(slots=True)
class _UnschedulablePods:
    """The unschedulable pods, with the message last written about each."""

    messages: dict[str, str] = field(default_factory=dict)
    flushed_at: float = float("-inf")
    timer: asyncio.TimerHandle | None = None


class Scheduler:
    """The scheduler. Run `controller` after the informers are synced."""

    def __init__(
        self, client: Client, *, informers: InformerSet, recorder: Recorder, clock: Clock, rng: random.Random
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._rng = rng
        self._snapshot = Snapshot()
        self._assumed: set[str] = set()
        self._unschedulable = _UnschedulablePods()
        self._pods = informers.of(POD)
        self.controller = Controller("scheduler", WorkQueue(rng=rng), self._sync, workers=_WORKERS)
        informers.of(NODE).add_handler(self._on_node)
        informers.of(NAMESPACE).add_handler(self._on_namespace)
        self._pods.add_handler(self._on_pod)

    def _on_node(self, key: str, old: Node | None, new: Node | None) -> None:
        if new is None:
            self._snapshot.remove_node(key)
        else:
            self._snapshot.put_node(new)
            if old is None or _node_facts(old) != _node_facts(new):
                self._retry_soon()

    def _on_namespace(self, key: str, old: Namespace | None, new: Namespace | None) -> None:
        self._snapshot.namespaces.pop(key, None)
        if new is not None:
            self._snapshot.namespaces[key] = new.metadata.labels

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        if new is None or new.status.phase in ("Succeeded", "Failed"):
            self._assumed.discard(key)
            self._unschedulable.messages.pop(key, None)
            self._snapshot.remove_pod(key)
            if old is not None and old.spec.nodeName:
                self._retry_soon()
        elif new.spec.nodeName:
            self._assumed.discard(key)
            self._unschedulable.messages.pop(key, None)
            if old is None or not old.spec.nodeName or _pod_facts(old) != _pod_facts(new):
                self._snapshot.put_pod(key, new, new.spec.nodeName)
                self._retry_soon()
        elif _is_ours(new) and key not in self._assumed and (old is None or _pod_facts(old) != _pod_facts(new)):
            self.controller.queue.add(key)

    def _retry_soon(self) -> None:
        """Schedules another try of the unschedulable pods: soon, but once for many changes."""
        unschedulable = self._unschedulable
        if not unschedulable.messages or unschedulable.timer is not None:
            return
        loop = asyncio.get_running_loop()
        unschedulable.timer = loop.call_at(max(loop.time(), unschedulable.flushed_at + _FLUSH_S), self._flush)

    def _flush(self) -> None:
        self._unschedulable.timer = None
        self._unschedulable.flushed_at = asyncio.get_running_loop().time()
        for key in sorted(self._unschedulable.messages):
            self.controller.queue.add(key)

    async def _sync(self, key: str) -> float | None:
        pod = self._pods.get(key)
        if pod is None or pod.spec.nodeName or key in self._assumed or not _is_ours(pod):
            return None
        if pod.spec.schedulingGates:
            await self._write_condition(
                pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"
            )
            return None
        result = choose(pod, self._snapshot, tie=self._rng.choice)
        if isinstance(result, Unschedulable):
            return await self._mark_unschedulable(key, pod, result.message)
        self._assumed.add(key)
        self._snapshot.put_pod(key, pod, result.node)
        try:
            await self._bind(pod, result.node)
        except (StatusError, ConnectionError):
            self._unassume(key)
            raise
        self._unschedulable.messages.pop(key, None)
        name = key_of(pod.metadata)
        self._recorder.event(pod, "Normal", "Scheduled", f"Successfully assigned {name} to {result.node}")
        return None

    async def _bind(self, pod: Pod, node: str) -> None:
        meta = pod.metadata
        binding = Binding(
            kind="Binding",
            apiVersion="v1",
            metadata=ObjectMeta(name=meta.name, namespace=meta.namespace, uid=meta.uid),
            target=ObjectReference(kind="Node", name=node),
        )
        path = POD.path(meta.namespace, meta.name, "binding")
        await self._client.raw("POST", path, body=msgspec.json.encode(binding))

    def _unassume(self, key: str) -> None:
        if key in self._assumed:
            self._assumed.discard(key)
            self._snapshot.remove_pod(key)

    async def _mark_unschedulable(self, key: str, pod: Pod, message: str) -> float:
        reported = self._unschedulable.messages.get(key)
        self._unschedulable.messages[key] = message
        if reported != message:
            self._recorder.event(pod, "Warning", "FailedScheduling", message)
        await self._write_condition(pod, "Unschedulable", message)
        return _RETRY_S

    async def _write_condition(self, pod: Pod, reason: str, message: str) -> None:
        """Writes into the pod's status why it is not scheduled, if that changed."""
        old = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
        if old is not None and (old.status, old.reason, old.message) == ("False", reason, message):
            return
        changed = PodCondition(
            type="PodScheduled",
            status="False",
            reason=reason,
            message=message,
            lastTransitionTime=old.lastTransitionTime
            if old is not None and old.status == "False"
            else render_time(self._clock.now()),
        )
        conditions = [c for c in pod.status.conditions if c.type != "PodScheduled"]
        status = msgspec.structs.replace(pod.status, conditions=[*conditions, changed])
        made = await self._client.update(POD, msgspec.structs.replace(pod, status=status), subresource="status")
        self._pods.wrote(made)


def _is_ours(pod: Pod) -> bool:
    return pod.spec.schedulerName in ("", NAME) and not pod.metadata.deletionTimestamp


def _pod_facts(pod: Pod) -> tuple[Object | object, ...]:
    """Returns the facts that placing depends on: a change of status alone changes none of them."""
    return pod.metadata.uid, pod.metadata.labels, pod.spec, bool(pod.metadata.deletionTimestamp)


def _node_facts(node: Node) -> tuple[object, ...]:
    ready = [(c.type, c.status) for c in node.status.conditions if c.type == "Ready"]
    return node.metadata.labels, node.spec, node.status.allocatable, ready
