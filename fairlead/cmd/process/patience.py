"""The time limit of a start: a start may take as long as it makes progress.

What must stay true: on a busy machine a start may take long, and a start that hangs is given up after a minute.
Progress is a reported step, or processes that compute or wait for a processor. The kernel counts both (proc(5),
schedstat; Linux 2.6.9, CONFIG_SCHED_INFO). Rejected: a longer fixed limit, which is too short for one machine and too
long for another.
"""

from __future__ import annotations

import os

from fairlead.base.dataclass import dataclass

_BUSY_SHARE = 0.1
"""Share of a second: more than the CPU use of a waiting cluster, less than that of a starting one."""


@dataclass(slots=True)
class Patience:
    """Counts idle seconds, and all seconds against a far limit, since a process may also compute forever."""

    idle_s: float
    most_s: float
    _begun: float
    _advanced: float = 0.0
    _sampled: float = 0.0
    _busy: float = 0.0

    def __post_init__(self) -> None:
        self._advanced = self._sampled = self._begun

    def advance(self, now: float) -> None:
        """Records that a step was reported."""
        self._advanced = now

    def sample(self, now: float, busy: float) -> None:
        """Records `busy`, the total seconds for which the processes have computed or waited for a processor."""
        if busy - self._busy > _BUSY_SHARE * (now - self._sampled):
            self._advanced = now
        self._sampled, self._busy = now, busy

    def problem(self, now: float) -> str:
        """Returns the reason to give up, or an empty text."""
        if now - self._advanced > self.idle_s:
            return f"no progress for {self.idle_s:.0f} s"
        return f"not ready after {self.most_s:.0f} s" if now - self._begun > self.most_s else ""


def busy_s(pid: int) -> float:
    """Returns the seconds for which the process's descendants have computed or waited for a processor."""
    return sum(_task_s(f"/proc/{below}/task") for below in _descendants(pid)) / 1e9


def _descendants(pid: int) -> list[int]:
    pids = [pid]
    for parent in pids:
        for folder in _folders(f"/proc/{parent}/task"):
            pids += map(int, _words(f"{folder}/children"))
    return pids[1:]


def _task_s(tasks: str) -> int:
    """Returns the nanoseconds of all threads on a processor and in the queue for one."""
    return sum(int(word) for folder in _folders(tasks) for word in _words(f"{folder}/schedstat")[:2])


def _folders(tasks: str) -> list[str]:
    try:
        return [f"{tasks}/{name}" for name in os.listdir(tasks)]
    except OSError:
        return []


def _words(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as f:
            return f.read().split()
    except OSError:  # the process has ended
        return []
