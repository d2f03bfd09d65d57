"""Measures the containers that the zygote knows, and the processes of the node itself."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterable

from fairlead.base.clock import Clock
from fairlead.base.instant import Instant
from fairlead.net.linux import mount_namespace
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient
from fairlead.node.runtime.protocol.messages import Inventory, Run
from fairlead.node.usage.model import ContainerUsage, NodeUsage, PodUsage, Usage
from fairlead.node.usage.procfs import by_mount_namespace, of_process


class Meter:
    """Measures one node."""

    def __init__(self, node: str, zygote: ZygoteClient, *, zygote_pid: int, clock: Clock) -> None:
        self._node = node
        self._zygote = zygote
        self._pids = (zygote_pid, os.getpid())
        self._clock = clock
        self._started_at = clock.now()
        self._measured: dict[str, float] = {}
        """Processor time by run: a program that ends without being waited for must not take its time with it."""

    async def measure(self) -> NodeUsage:
        """Returns the present usage. Raises ZygoteEnded."""
        inventory = await self._zygote.inventory()
        return await asyncio.to_thread(self._read, inventory)

    def _read(self, inventory: Inventory) -> NodeUsage:
        runs = {inode: run for run in inventory.runs if run.exit is None and (inode := mount_namespace(run.pid))}
        usages = by_mount_namespace(runs)
        by_pod: defaultdict[str, list[ContainerUsage]] = defaultdict(list)
        for inode, run in runs.items():
            by_pod[run.sandbox].append(self._container(run, usages[inode]))
        self._forget(runs.values())
        pods = (
            PodUsage(sandbox.record.namespace, sandbox.record.name, sandbox.id, tuple(by_pod[sandbox.id]))
            for sandbox in inventory.sandboxes
            if sandbox.id in by_pod
        )
        own = sum(map(of_process, self._pids), Usage())
        return NodeUsage(self._node, self._clock.now(), self._started_at, own, tuple(pods))

    def _container(self, run: Run, usage: Usage) -> ContainerUsage:
        cpu_s = self._measured[run.id] = max(usage.cpu_s, self._measured.get(run.id, 0.0))
        return ContainerUsage(run.record.container, Instant(run.started_at), Usage(cpu_s, usage.memory_bytes))

    def _forget(self, runs: Iterable[Run]) -> None:
        present = {run.id for run in runs}
        self._measured = {id_: cpu_s for id_, cpu_s in self._measured.items() if id_ in present}
