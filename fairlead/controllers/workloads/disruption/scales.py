"""The desired number of pods of workloads, by the owner references of their pods: from caches for built-in kinds, else
from the `scale` of the workload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.apps.replicaset.kind import REPLICA_SET
from fairlead.api.core.pod.kind import Pod
from fairlead.api.meta.types import OwnerReference, controller_of
from fairlead.base.keys import join_key
from fairlead.controllers.context import Context
from fairlead.controllers.workloads.disruption.plan import Scale
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client

_Found = tuple[str, int]
"""The uid of a workload and its desired number of pods."""


class Scales:
    """Answers for one cluster. Deployments and ReplicaSets are cached by their controllers anyway."""

    def __init__(self, context: Context, client: Client) -> None:
        self._scheme = context.scheme
        self._client = client
        self._sets = context.informers.of(REPLICA_SET)
        self._deployments = context.informers.of(DEPLOYMENT)

    async def of(self, pods: Sequence[Pod]) -> Scale:
        """Returns the sum over the workloads of the pods. Raises ConnectionError and StatusError other than 404."""
        sizes: dict[str, int] = {}
        seen: set[str] = set()
        for pod in pods:
            owner = controller_of(pod.metadata)
            if owner is None or owner.uid in seen:
                continue
            seen.add(owner.uid)
            found = await self._find(owner, pod)
            if isinstance(found, str):
                return Scale(0, problem=found)
            sizes[found[0]] = found[1]
        return Scale(sum(sizes.values()), unmanaged=any(controller_of(pod.metadata) is None for pod in pods))

    async def _find(self, owner: OwnerReference, pod: Pod) -> _Found | str:
        """Returns the workload, or why it is missing."""
        namespace, missing = pod.metadata.namespace, f'found no controllers for pod "{pod.metadata.name}"'
        if (owner.apiVersion, owner.kind) == (REPLICA_SET.api_version, REPLICA_SET.kind):
            return self._of_replica_set(owner, namespace) or missing
        group, _, version = owner.apiVersion.rpartition("/")
        kind = self._scheme.by_gvk(group, version, owner.kind)
        if kind is None:
            return f'no matches for kind "{owner.kind}" in version "{owner.apiVersion}"'
        if not kind.scale:
            resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
            return f"{resource} does not implement the scale subresource"
        return await self._ask(kind, owner, namespace) or missing

    def _of_replica_set(self, owner: OwnerReference, namespace: str) -> _Found | None:
        rs = self._sets.get(join_key(namespace, owner.name))
        if rs is None or rs.metadata.uid != owner.uid:
            return None
        manager = controller_of(rs.metadata)
        if manager is None or manager.kind != DEPLOYMENT.kind:
            return owner.uid, 1 if rs.spec.replicas is None else rs.spec.replicas
        d = self._deployments.get(join_key(namespace, manager.name))
        if d is None or d.metadata.uid != manager.uid:
            return None
        return d.metadata.uid, 1 if d.spec.replicas is None else d.spec.replicas

    async def _ask(self, kind: Kind[Any], owner: OwnerReference, namespace: str) -> _Found | None:
        try:
            response = await self._client.raw("GET", kind.path(namespace, owner.name, "scale"))
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        scale: dict[str, Any] = msgspec.json.decode(response)
        if scale["metadata"].get("uid") != owner.uid:
            return None
        return owner.uid, int(scale.get("spec", {}).get("replicas", 0))
