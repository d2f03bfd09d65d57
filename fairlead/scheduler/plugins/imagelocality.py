"""ImageLocality: prefers nodes that have the pod's images, by their sizes."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.core.pod.kind import Pod
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import PodInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import MAX_SCORE, Change, Cycle, Plugin

_MB = 1024 * 1024
_LEAST = 23 * _MB
_MOST = 1000 * _MB
"""Sizes between which the score grows; the greater is for each container. Upstream's numbers."""


def prepare(info: PodInfo, snapshot: Snapshot) -> Cycle | None:
    spec = info.pod.spec
    containers = [*spec.initContainers, *spec.containers]
    images = [_normalized(c.image) for c in containers]
    images += [_normalized(v.image.reference) for v in spec.volumes if v.image is not None]
    shares = {name: snapshot.images[name] / len(snapshot.nodes) for name in images if snapshot.images[name]}
    present = [name for name in images if name in shares]
    if not present:
        return None
    most = _MOST * len(containers)

    def score(nodes: Sequence[NodeInfo]) -> Sequence[int]:
        sums = (sum(int(node.images.get(name, 0) * shares[name]) for name in present) for node in nodes)
        return [MAX_SCORE * (max(_LEAST, min(most, size)) - _LEAST) // (most - _LEAST) for size in sums]

    return Cycle(score=score)


def _normalized(image: str) -> str:
    """Returns the name with the tag `latest` if it has neither tag nor digest."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def helps(pod: Pod, change: Change) -> bool:
    return False


PLUGIN = Plugin("ImageLocality", prepare, helps)
