"""VolumeRestrictions: a claim with the access mode ReadWriteOncePod serves one pod in the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.keys import join_key
from fairlead.machinery.kinds.kind import Kind
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change, Cycle, Plugin, Rejection
from fairlead.storage.podclaims import claims_of

_REJECTION = Rejection(
    (
        "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another "
        "pod",
    ),
    resolvable=True,
)


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | None:
    namespace = info.pod.metadata.namespace
    claims = snapshot.objects(PERSISTENT_VOLUME_CLAIM)
    alone = {
        found.claim
        for found in claims_of(info.pod)
        if (claim := claims.get(join_key(namespace, found.claim))) is not None
        and "ReadWriteOncePod" in claim.spec.accessModes
    }
    if not alone or not _in_use(alone, namespace, snapshot, but=info.key):
        return None

    def filter(_: NodeInfo) -> Rejection:
        return _REJECTION

    return Cycle(filter=filter)


def _in_use(names: set[str], namespace: str, snapshot: Snapshot, *, but: str) -> bool:
    return any(
        key != but and placed.pod.metadata.namespace == namespace and _uses(placed.pod, names)
        for node in snapshot.nodes.values()
        for key, placed in node.pods.items()
    )


def _uses(pod: Pod, names: set[str]) -> bool:
    return any(found.claim in names for found in claims_of(pod))


def helps(pod: Pod, change: Change) -> bool:
    if change.kind is not POD or change.new is not None:
        return False
    names = {found.claim for found in claims_of(pod)}
    return change.old.metadata.namespace == pod.metadata.namespace and _uses(change.old, names)


def kinds(pod: Pod) -> Sequence[Kind[Any]]:
    return (PERSISTENT_VOLUME_CLAIM,) if any(claims_of(pod)) else ()


PLUGIN = Plugin("VolumeRestrictions", prepare, helps, kinds=kinds)
