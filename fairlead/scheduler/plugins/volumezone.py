"""VolumeZone: a volume with zone or region labels is used on nodes with the same labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.topology.labels import REGION_LABEL, ZONE_LABEL
from fairlead.base.keys import join_key
from fairlead.machinery.kinds.kind import Kind
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change, Cycle, Plugin, Rejection
from fairlead.storage.podclaims import claims_of

_REJECTION = Rejection(("node(s) had no available volume zone",))
_PRESENT = {
    ZONE_LABEL: ZONE_LABEL,
    REGION_LABEL: REGION_LABEL,
    "failure-domain.beta.kubernetes.io/zone": ZONE_LABEL,
    "failure-domain.beta.kubernetes.io/region": REGION_LABEL,
}
"""The labels of a place, with their present names."""
_SEPARATOR = "__"
"""Separates the zones of a volume that is in several."""


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | None:
    needs = _places(info.pod, snapshot)
    if not needs:
        return None

    def filter(node: NodeInfo) -> Rejection | None:
        labels = node.labels
        if not any(key in labels for key in _PRESENT):
            return None
        for key, values in needs:
            if labels.get(key, labels.get(_PRESENT[key], "")) not in values:
                return _REJECTION
        return None

    return Cycle(filter=filter)


def _places(pod: Pod, snapshot: Snapshot) -> list[tuple[str, list[str]]]:
    """Returns the labels of the pod's bound volumes, with the values that a node may have."""
    claims, volumes = snapshot.objects(PERSISTENT_VOLUME_CLAIM), snapshot.objects(PERSISTENT_VOLUME)
    needs: list[tuple[str, list[str]]] = []
    for found in claims_of(pod):
        claim = claims.get(join_key(pod.metadata.namespace, found.claim))
        volume = volumes.get(claim.spec.volumeName) if claim is not None else None
        labels = volume.metadata.labels if volume is not None else {}
        needs.extend((key, labels[key].split(_SEPARATOR)) for key in _PRESENT if key in labels)
    return needs


def helps(pod: Pod, change: Change) -> bool:
    return change.kind in (NODE, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM) and change.new is not None


def kinds(pod: Pod) -> Sequence[Kind[Any]]:
    return (PERSISTENT_VOLUME_CLAIM, PERSISTENT_VOLUME) if any(claims_of(pod)) else ()


PLUGIN = Plugin("VolumeZone", prepare, helps, kinds=kinds)
