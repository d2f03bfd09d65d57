"""VolumeBinding: the volumes of a pod's claims must be reachable from its node.

Claims whose class waits for a pod are bound, or given to their provisioner, when the node is chosen (`volumes`).
Storage capacities that CSI drivers publish are not considered: nodes do not run such drivers (decision 30).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.pod.kind import Pod
from fairlead.api.storage.storageclass import STORAGE_CLASS
from fairlead.machinery.kinds.kind import Kind
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change, Cycle, Plugin, Rejection
from fairlead.storage.podclaims import claims_of

_KINDS: tuple[Kind[Any], ...] = (PERSISTENT_VOLUME_CLAIM, PERSISTENT_VOLUME, STORAGE_CLASS)


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | Rejection | None:
    if not any(claims_of(info.pod)):
        return None
    from fairlead.scheduler.volumes.plan import PodVolumes, read_claims  # needs the kinds' types

    claims = read_claims(info.pod, snapshot)
    if isinstance(claims, Rejection):
        return claims
    volumes = PodVolumes(claims, snapshot)
    return Cycle(filter=volumes.filter, reserve=volumes.reserve if volumes.delayed else None)


def helps(pod: Pod, change: Change) -> bool:
    if change.kind is PERSISTENT_VOLUME_CLAIM:
        changed = change.new or change.old
        names = {found.claim for found in claims_of(pod)}
        return changed.metadata.namespace == pod.metadata.namespace and changed.metadata.name in names
    if change.kind is NODE:
        return change.new is not None and (
            change.old is None or change.old.metadata.labels != change.new.metadata.labels
        )
    return change.kind in (PERSISTENT_VOLUME, STORAGE_CLASS) and change.new is not None


def kinds(pod: Pod) -> Sequence[Kind[Any]]:
    return _KINDS if any(claims_of(pod)) else ()


PLUGIN = Plugin("VolumeBinding", prepare, helps, kinds=kinds)
