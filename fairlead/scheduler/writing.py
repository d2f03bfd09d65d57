"""Writes of the scheduler: bindings, conditions, nominations and evictions."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.api.core.pod.actions import Binding
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.status import PodCondition
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.clock import Clock
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client
from fairlead.runtime.informer import Informer


class PodWriter:
    """Writes pods by the API, and enters the answers into the cache."""

    def __init__(self, client: Client, pods: Informer[Pod], clock: Clock) -> None:
        self.client = client
        self._pods = pods
        self._clock = clock

    async def bind(self, pod: Pod, node: str) -> None:
        meta = pod.metadata
        binding = Binding(
            kind="Binding",
            apiVersion="v1",
            metadata=ObjectMeta(name=meta.name, namespace=meta.namespace, uid=meta.uid),
            target=ObjectReference(kind="Node", name=node),
        )
        path = POD.path(meta.namespace, meta.name, "binding")
        await self.client.raw("POST", path, body=msgspec.json.encode(binding))

    async def explain(self, pod: Pod, message: str, *, nominated: str | None) -> None:
        """Writes why the pod is not scheduled, if that changed. A `nominated` node of None leaves the status as it
        is."""
        condition = changed_condition(pod, unscheduled(message), self._clock.now())
        status: dict[str, Any] = {}
        if condition is not None:
            status["conditions"] = [condition]
        if nominated is not None and nominated != pod.status.nominatedNodeName:
            status["nominatedNodeName"] = nominated or None
        await self._patch(pod, status)

    async def withdraw_nomination(self, pod: Pod) -> None:
        await self._patch(pod, {"nominatedNodeName": None})

    async def evict(self, victim: Pod, target: PodCondition) -> bool:
        """Marks and deletes the pod; returns False if it was gone already. Raises StatusError or ConnectionError."""
        meta = victim.metadata
        condition = changed_condition(victim, target, self._clock.now())
        try:
            await self._patch(victim, {"conditions": [condition]} if condition is not None else {})
            await self.client.delete(POD, meta.name, meta.namespace, uid=meta.uid)
        except StatusError as error:
            if error.code in (404, 409):
                return False
            raise
        return True

    async def _patch(self, pod: Pod, status: dict[str, Any]) -> None:
        """Patches the status: other fields, which the node writes, stay as they are."""
        if not status:
            return
        meta = pod.metadata
        patch = {"metadata": {"uid": meta.uid}, "status": status}
        made = await self.client.patch(
            POD,
            meta.name,
            meta.namespace,
            patch=patch,
            type="application/strategic-merge-patch+json",
            subresource="status",
        )
        self._pods.wrote(made)


def unscheduled(message: str) -> PodCondition:
    return PodCondition(type="PodScheduled", status="False", reason="Unschedulable", message=message)


def changed_condition(pod: Pod, condition: PodCondition, now: Instant) -> dict[str, Any] | None:
    """Returns the condition to write, or None if the pod has it. The time of the last transition stays if the status
    stays."""
    old = next((c for c in pod.status.conditions if c.type == condition.type), None)
    if old is not None and (old.status, old.reason, old.message) == (
        condition.status,
        condition.reason,
        condition.message,
    ):
        return None
    same = old is not None and old.status == condition.status
    changed = msgspec.structs.replace(
        condition,
        observedGeneration=pod.metadata.generation or 0,
        lastTransitionTime=old.lastTransitionTime if same and old is not None else render_time(now),
    )
    tree: dict[str, Any] = msgspec.to_builtins(changed)
    return tree
