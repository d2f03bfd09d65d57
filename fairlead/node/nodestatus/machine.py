"""Reads what is left of the machine's memory, disk and process ids (proc(5), statvfs(3))."""

from __future__ import annotations

import os

from fairlead.node.nodestatus.pressure import Signals


def read_signals(path: str) -> Signals:
    """Returns the figures of the machine and of the file system that has `path`."""
    memory, disk = _memory(), os.statvfs(path)
    tasks, limit = _tasks()
    return Signals(
        available={
            "memory.available": memory.get("MemAvailable", 0.0),
            "nodefs.available": float(disk.f_bavail * disk.f_frsize),
            "nodefs.inodesFree": float(disk.f_favail),
            "pid.available": limit - tasks,
        },
        capacity={
            "memory.available": memory.get("MemTotal", 0.0),
            "nodefs.available": float(disk.f_blocks * disk.f_frsize),
            "nodefs.inodesFree": float(disk.f_files),
            "pid.available": limit,
        },
    )


def _memory() -> dict[str, float]:
    with open("/proc/meminfo", encoding="ascii") as file:
        lines = (line.split() for line in file)
        return {words[0].rstrip(":"): float(words[1]) * 1024 for words in lines if len(words) > 1}


def _tasks() -> tuple[float, float]:
    """Returns the present and the greatest number of tasks."""
    limits = []
    for name in ("pid_max", "threads-max"):
        with open(f"/proc/sys/kernel/{name}", encoding="ascii") as file:
            limits.append(float(file.read()))
    with open("/proc/loadavg", encoding="ascii") as file:
        return float(file.read().split()[3].partition("/")[2]), min(limits)
