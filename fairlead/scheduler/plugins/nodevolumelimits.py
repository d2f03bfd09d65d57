"""NodeVolumeLimits: a node takes as many volumes of a CSI driver as its CSINode permits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.storage.csinode import CSI_NODE
from fairlead.base.keys import join_key
from fairlead.machinery.kinds.kind import Kind
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change, Cycle, Plugin, Rejection
from fairlead.storage.podclaims import claims_of

_REJECTION = Rejection(("node(s) exceed max volume count",), resolvable=True)

Handle = tuple[str, str]
"""Driver, and the driver's name of a volume."""


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | None:
    if not snapshot.objects(CSI_NODE):
        return None
    asked = set(_handles(info.pod, snapshot))
    if not asked:
        return None

    def filter(node: NodeInfo) -> Rejection | None:
        limits = _limits(node.name, snapshot)
        if not limits:
            return None
        there = {handle for placed in node.pods.values() for handle in _handles(placed.pod, snapshot)}
        new = Counter(driver for driver, _ in asked - there)
        used = Counter(driver for driver, _ in there)
        over = any(driver in limits and used[driver] + count > limits[driver] for driver, count in new.items())
        return _REJECTION if over else None

    return Cycle(filter=filter)


def _handles(pod: Pod, snapshot: Snapshot) -> Iterator[Handle]:
    """Yields the CSI volumes of a pod's bound claims."""
    claims, volumes = snapshot.objects(PERSISTENT_VOLUME_CLAIM), snapshot.objects(PERSISTENT_VOLUME)
    for found in claims_of(pod):
        claim = claims.get(join_key(pod.metadata.namespace, found.claim))
        volume = volumes.get(claim.spec.volumeName) if claim is not None else None
        if volume is not None and volume.spec.csi is not None:
            yield volume.spec.csi.driver, volume.spec.csi.volumeHandle


def _limits(node: str, snapshot: Snapshot) -> Mapping[str, int]:
    found = snapshot.objects(CSI_NODE).get(node)
    if found is None:
        return {}
    return {
        driver.name: driver.allocatable.count
        for driver in found.spec.drivers
        if driver.allocatable is not None and driver.allocatable.count is not None
    }


def helps(pod: Pod, change: Change) -> bool:
    return change.kind is CSI_NODE or (change.kind is POD and change.new is None and any(claims_of(change.old)))


def kinds(pod: Pod) -> Sequence[Kind[Any]]:
    return (PERSISTENT_VOLUME_CLAIM, PERSISTENT_VOLUME, CSI_NODE) if any(claims_of(pod)) else ()


PLUGIN = Plugin("NodeVolumeLimits", prepare, helps, kinds=kinds)
