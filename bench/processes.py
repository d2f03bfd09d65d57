"""Time and CPU of processes from start to end."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Spent(NamedTuple):
    """Milliseconds, as medians."""

    wall: float
    cpu: float
    """User and system time of the process and of its children. On a busy machine only this is comparable."""

    def __str__(self) -> str:
        return f"{self.wall:8.0f} ms, {self.cpu:6.0f} ms of CPU"


def measure(command: Sequence[str], rounds: int, environment: Mapping[str, str] | None = None) -> Spent:
    """Runs the command `rounds` times, and drops its output and exit code."""
    spent = [_once(command, environment) for _ in range(rounds)]
    return Spent(statistics.median(one.wall for one in spent), statistics.median(one.cpu for one in spent))


def _once(command: Sequence[str], environment: Mapping[str, str] | None) -> Spent:
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Spent((time.perf_counter() - start) * 1000, (used.ru_utime + used.ru_stime) * 1000)
