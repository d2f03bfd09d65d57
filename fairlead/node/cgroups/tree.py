"""The control groups of a node: `<node's group>/<pod's uid>/<run's id>`, in each hierarchy of v1 or in v2."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator

from fairlead.node.cgroups.detect import CONTROLLERS, Place
from fairlead.node.cgroups.limits import Limits

_NO_LIMIT_V1 = -1


class MemoryInUse(Exception):
    """The container uses more than its new limit."""


class ControlGroups:
    """Makes, changes and removes groups. The container's own process enters its group before it becomes the program."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def version(self) -> int:
        return self._place.version

    def make(
        self, pod: str, run: str, limits: Limits, *, pod_limits: Limits | None, pod_pids: int = -1
    ) -> tuple[str, ...]:
        """Returns the directories of the run's new group. `pod_pids`: processes and threads that the whole pod may
        have; without a limit if that is not above 0. Raises OSError."""
        for group in self._place.roots:
            os.makedirs(f"{group}/{pod}", exist_ok=True)
            if self.version == 2:
                _enable(group)
                _enable(f"{group}/{pod}")
            os.makedirs(f"{group}/{pod}/{run}", exist_ok=True)
        if pod_limits is not None:
            self._apply(pod, pod_limits)
        if pod_pids > 0:
            at = self._place.roots[0 if self.version == 2 else CONTROLLERS.index("pids")]
            _write(f"{at}/{pod}/pids.max", str(pod_pids))
        self._apply(f"{pod}/{run}", limits)
        return tuple(f"{root}/{pod}/{run}" for root in self._place.roots)

    def _apply(self, group: str, limits: Limits) -> None:
        for path, text in self._values(group, limits):
            _write(path, text)

    def change(self, pod: str, run: str, limits: Limits) -> None:
        """Changes the limits of a running container. Raises MemoryInUse, OSError."""
        used, limit = self._memory_used(pod, run), limits.memory_bytes
        if limit is not None and used > limit:
            raise MemoryInUse(f"the container uses {used} bytes of memory, more than the new limit of {limit}")
        for path, text in self._values(f"{pod}/{run}", limits):
            try:
                _write(path, text)
            except OSError as error:
                if path.endswith("memory.limit_in_bytes"):  # EBUSY
                    raise MemoryInUse(f"cannot reclaim memory down to {text} bytes") from error
                raise

    def oom_kills(self, pod: str, run: str) -> int:
        """Returns the number of processes that the kernel has killed because of the group's memory limit."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        for line in _read(f"{self._place.roots[0]}/{pod}/{run}/{name}").splitlines():
            key, _, number = line.partition(" ")
            if key == "oom_kill":
                return int(number)
        return 0

    def remove(self, pod: str, run: str) -> None:
        """Removes the group of a run that has ended, and the groups above it if they are empty."""
        for root in self._place.roots:
            for group in (f"{root}/{pod}/{run}", f"{root}/{pod}", root):
                with contextlib.suppress(OSError):
                    os.rmdir(group)

    def remove_orphans(self, runs: Collection[str]) -> None:
        """Removes the groups of all runs but these."""
        for root in self._place.roots:
            for pod in _folders(root):
                for run in set(_folders(f"{root}/{pod}")) - set(runs):
                    self.remove(pod, run)

    def _memory_used(self, pod: str, run: str) -> int:
        name = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        return int(_read(f"{self._place.roots[0]}/{pod}/{run}/{name}") or 0)

    def _values(self, group: str, limits: Limits) -> Iterator[tuple[str, str]]:
        """Yields the files of the group and their contents."""
        memory, quota = limits.memory_bytes, limits.cpu_quota_us
        if self.version == 2:
            at = f"{self._place.roots[0]}/{group}"
            yield f"{at}/memory.max", "max" if memory is None else str(memory)
            yield f"{at}/memory.oom.group", "1"
            if os.path.exists(f"{at}/cpu.max"):
                yield f"{at}/cpu.max", f"{'max' if quota is None else quota} {limits.cpu_period_us}"
                yield f"{at}/cpu.weight", str(limits.cpu_weight)
            return
        roots = dict(zip(CONTROLLERS, self._place.roots, strict=True))
        cpu = f"{roots['cpu']}/{group}"
        yield f"{roots['memory']}/{group}/memory.limit_in_bytes", str(memory or _NO_LIMIT_V1)
        yield f"{cpu}/cpu.cfs_period_us", str(limits.cpu_period_us)
        yield f"{cpu}/cpu.cfs_quota_us", str(_NO_LIMIT_V1 if quota is None else quota)
        yield f"{cpu}/cpu.shares", str(limits.cpu_shares)


def _enable(group: str) -> None:
    for controller in CONTROLLERS:
        with contextlib.suppress(OSError):
            _write(f"{group}/cgroup.subtree_control", f"+{controller}")


def _folders(path: str) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
