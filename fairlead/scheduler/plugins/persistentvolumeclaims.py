"""The claims of a pod's volumes must exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.pod.kind import Pod
from fairlead.base.keys import join_key
from fairlead.machinery.kinds.kind import Kind
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change, Plugin, Rejection


def prepare(info: PodInfo, snapshot: Snapshot) -> Rejection | None:
    """Returns upstream's message about the first missing claim."""
    meta, claims = info.pod.metadata, snapshot.objects(PERSISTENT_VOLUME_CLAIM)
    for volume in info.pod.spec.volumes:
        if volume.persistentVolumeClaim is not None:
            name = volume.persistentVolumeClaim.claimName
            problem = f'persistentvolumeclaim "{name}" not found'
        elif volume.ephemeral is not None:
            name = f"{meta.name}-{volume.name}"
            problem = f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        else:
            continue
        if join_key(meta.namespace, name) not in claims:
            return Rejection((problem,))
    return None


def helps(pod: Pod, change: Change) -> bool:
    created = change.kind is PERSISTENT_VOLUME_CLAIM and change.old is None
    return created and change.new.metadata.namespace == pod.metadata.namespace


def kinds(pod: Pod) -> Sequence[Kind[Any]]:
    claimed = any(v.persistentVolumeClaim is not None or v.ephemeral is not None for v in pod.spec.volumes)
    return (PERSISTENT_VOLUME_CLAIM,) if claimed else ()


PLUGIN = Plugin("VolumeBinding", prepare, helps, kinds=kinds)
