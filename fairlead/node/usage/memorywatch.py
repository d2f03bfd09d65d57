"""Enforces memory limits on nodes whose user may not make control groups: measures, and reports what is too large.

Nothing runs as long as no container has a limit. What counts is memory that only the container has (anonymous and
shared memory, proportionally), as for the kernel's own limit; pages of files do not count, since they can be dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from fairlead.base.dataclass import dataclass
from fairlead.net.linux import mount_namespace
from fairlead.node.usage.procfs import resident_bytes, unshared_bytes

_EVERY_S = 1.0
_CLOSELY_S = 0.1
_NEAR = 0.5
"""The part of a limit from which on a container is measured more often."""


@dataclass(slots=True)
class _Watched:
    pid: int
    limit: int
    exceeded: Callable[[], object]


class MemoryWatch:
    """The containers with a memory limit, by the id of their run."""

    def __init__(self) -> None:
        self._runs: dict[str, _Watched] = {}
        self._some = asyncio.Event()

    def add(self, run: str, pid: int, limit: int, exceeded: Callable[[], object]) -> None:
        """Calls `exceeded` once if the run's processes have more memory than the limit, in bytes."""
        self._runs[run] = _Watched(pid, limit, exceeded)
        self._some.set()

    def remove(self, run: str) -> None:
        self._runs.pop(run, None)

    async def measure(self) -> NoReturn:
        """Runs until cancelled."""
        while True:
            if not self._runs:
                self._some.clear()
                await self._some.wait()
            near = await self._measure_once()
            await asyncio.sleep(_CLOSELY_S if near else _EVERY_S)

    async def _measure_once(self) -> bool:
        """Returns whether a run is near its limit."""
        watched = dict(self._runs)
        used = await asyncio.to_thread(_measured, {run: (one.pid, one.limit) for run, one in watched.items()})
        for run, one in watched.items():
            if used.get(run, 0) > one.limit and self._runs.get(run) is one:
                self.remove(run)
                one.exceeded()
        return any(used.get(run, 0) > _NEAR * one.limit for run, one in watched.items())


def _measured(runs: dict[str, tuple[int, int]]) -> dict[str, int]:
    """Returns the bytes that each run uses. The exact figure is costly: it is read only for runs that may have too
    much."""
    inodes = {inode: run for run, (pid, _) in runs.items() if (inode := mount_namespace(pid))}
    resident = resident_bytes(inodes)
    large = {inode for inode, size in resident.items() if size > runs[inodes[inode]][1]}
    exact = unshared_bytes(large) if large else {}
    return {run: exact.get(inode, min(resident[inode], runs[run][1])) for inode, run in inodes.items()}
