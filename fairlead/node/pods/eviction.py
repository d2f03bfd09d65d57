"""Evicts pods that use more disk than they may, and one at a time if the machine has too little memory.

Upstream's kubelet evicts before the kernel kills. A pod fails with reason `Evicted`; its owner makes another.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

from fairlead.api.core.amounts import value
from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass
from fairlead.net.linux import mount_namespace
from fairlead.node.nodestatus.machine import read_signals
from fairlead.node.nodestatus.monitor import NodeMonitor
from fairlead.node.nodestatus.pressure import short_of
from fairlead.node.pods.localpod import LocalPod
from fairlead.node.usage.procfs import unshared_bytes

_EVERY_S = 5.0
_STORAGE = "ephemeral-storage"


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """A pod's memory, and what it has asked for."""

    used: int
    requested: int
    priority: int


def disk_excess(local: LocalPod) -> str:
    """Returns why a pod must be evicted for its use of the disk; empty if it need not be."""
    pod = local.pod
    for volume in pod.spec.volumes:
        source = volume.emptyDir
        if source is None or source.medium or not source.sizeLimit:
            continue
        if disk_bytes(local.files.volume(volume.name)) > value(str(source.sizeLimit)):
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{source.sizeLimit}". '
    for container in pod.spec.containers:
        limit = container.resources.limits.get(_STORAGE)
        if limit is not None and _written(local, container.name) > value(str(limit)):
            return f'Container {container.name} exceeded its local ephemeral storage limit "{limit}". '
    return ""


def _written(local: LocalPod, container: str) -> int:
    """Returns the bytes of a container's writable layers and logs."""
    return sum(map(disk_bytes, local.files.written_by(container)))


def disk_bytes(root: str) -> int:
    """Returns the disk space of a directory in bytes; what disappears meanwhile does not count."""
    blocks, seen = 0, set()
    for folder, _, names in os.walk(root):
        for path in (folder, *(f"{folder}/{name}" for name in names)):
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                blocks += status.st_blocks
    return blocks * 512


def first_to_go(uses: dict[str, MemoryUse]) -> str:
    """Returns the uid of the pod to evict for its memory: first those that use more than they have requested, of these
    the one with the lowest priority, then the one that exceeds its request most."""
    return min(uses, key=lambda uid: _rank(uses[uid]))


def _rank(use: MemoryUse) -> tuple[bool, int, int]:
    return use.used <= use.requested, use.priority, use.requested - use.used


def memory_request(pod: Pod) -> int:
    return sum(int(value(str(c.resources.requests.get("memory", 0)))) for c in pod.spec.containers)


class Evictions:
    """Looks at the pods of one node."""

    def __init__(self, pods: Callable[[], Iterable[LocalPod]], monitor: NodeMonitor, state_dir: str) -> None:
        self._pods = pods
        self._monitor = monitor
        self._state_dir = state_dir

    async def watch(self) -> NoReturn:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            for local in list(filter(_limits_disk, self._running())):
                if text := await asyncio.to_thread(disk_excess, local):
                    local.evict(text)
            await self._relieve_memory()

    def _running(self) -> Iterator[LocalPod]:
        return (local for local in self._pods() if local.state.sandbox == "up" and not local.state.reason)

    async def _relieve_memory(self) -> None:
        config, signals = self._monitor.config, await asyncio.to_thread(read_signals, self._state_dir)
        if "memory.available" not in short_of(config, signals):
            return
        pods = {local.pod.metadata.uid: local for local in self._running()}
        uses = await asyncio.to_thread(_memory, list(pods.values()))
        if not uses:
            return
        chosen = first_to_go(uses)
        limit, left = config.evictionHard["memory.available"], int(signals.available["memory.available"])
        use = uses[chosen]
        pods[chosen].evict(
            f"The node was low on resource: memory. Threshold quantity: {limit}, available: {left >> 10}Ki. "
            f"The pod was using {use.used >> 10}Ki, its request is {use.requested >> 10}Ki. "
        )


def _limits_disk(local: LocalPod) -> bool:
    spec = local.pod.spec
    volumes = any(v.emptyDir is not None and v.emptyDir.sizeLimit and not v.emptyDir.medium for v in spec.volumes)
    return volumes or any(_STORAGE in c.resources.limits for c in spec.containers)


def _memory(pods: Iterable[LocalPod]) -> dict[str, MemoryUse]:
    by_inode = {
        inode: local.pod
        for local in pods
        for state in local.state.containers.values()
        if state.phase == "running" and state.pid and (inode := mount_namespace(state.pid))
    }
    used: dict[str, int] = {}
    for inode, size in unshared_bytes(by_inode).items():
        uid = by_inode[inode].metadata.uid
        used[uid] = used.get(uid, 0) + size
    by_uid = {pod.metadata.uid: pod for pod in by_inode.values()}
    return {
        uid: MemoryUse(size, memory_request(by_uid[uid]), by_uid[uid].spec.priority or 0) for uid, size in used.items()
    }
