"""Finds the place in the control group file system below which this node may make groups with limits.

cgroup v2: the nearest ancestor of this process's own group that this user may write, and whose children have memory
(cgroups(7), "Delegation"): for root the top, for a user the part that systemd has delegated to the user's session.
cgroup v1: root alone, if v2 lacks the memory controller. A place counts only if a group can be made there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from fairlead.base.dataclass import dataclass

CONTROLLERS = ("memory", "cpu", "pids")


@dataclass(frozen=True, slots=True)
class Place:
    """The directories of the node's own group: one for v2, one for each controller for v1."""

    version: int
    roots: tuple[str, ...]


def find_place(name: str, *, proc: str = "/proc/self") -> Place | None:
    """Returns the node's own group, which is made at its first use; None if this user may not make it."""
    mounts = list(_mounts(proc))
    for at in (at for at, kind, _ in mounts if kind == "cgroup2"):
        for parent in _parents(at, _own_group(proc)):
            if _make(f"{parent}/{name}"):
                return Place(2, (f"{parent}/{name}",))
    controllers = {c: at for at, kind, options in mounts if kind == "cgroup" for c in CONTROLLERS if c in options}
    roots = [f"{controllers[c]}/{name}" for c in CONTROLLERS if c in controllers]
    possible = len(roots) == len(CONTROLLERS) and all(map(_make, roots))
    return Place(1, tuple(roots)) if possible else None


def _mounts(proc: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yields place, type and options of each mount."""
    with open(f"{proc}/mounts", encoding="utf-8", errors="replace") as file:
        for line in file:
            _, at, kind, options, *_ = line.split()
            yield at, kind, options.split(",")


def _own_group(proc: str) -> str:
    """Returns this process's group of v2, as a path below the mount."""
    with contextlib.suppress(OSError), open(f"{proc}/cgroup", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("0::"):
                return line[3:].strip().rstrip("/")
    return ""


def _parents(mount: str, own: str) -> Iterator[str]:
    """Yields the groups at and above this process's own in which groups with limits can be made: the nearest first,
    for root the top first."""
    parts = own.split("/")
    places = [mount + "/".join(parts[:n]) for n in range(len(parts), 0, -1)]
    for place in reversed(places) if os.geteuid() == 0 and os.access(f"{mount}/cgroup.procs", os.W_OK) else places:
        writable = os.access(place, os.W_OK) and os.access(f"{place}/cgroup.procs", os.W_OK)
        if writable and "memory" in _read(f"{place}/cgroup.controllers").split() and _enable(place):
            yield place


def _enable(group: str) -> bool:
    """Gives the group's children the controllers that the group has; returns whether they have memory."""
    for controller in CONTROLLERS:
        with contextlib.suppress(OSError), open(f"{group}/cgroup.subtree_control", "w", encoding="ascii") as file:
            file.write(f"+{controller}")
    return "memory" in _read(f"{group}/cgroup.subtree_control").split()


def _make(group: str) -> bool:
    """Returns whether a group can be made here and entered; leaves an empty one behind no longer than that."""
    try:
        os.makedirs(group, exist_ok=True)
    except OSError:
        return False
    possible = os.access(f"{group}/cgroup.procs", os.W_OK)
    with contextlib.suppress(OSError):  # in use, by the agent before this one
        os.rmdir(group)
    return possible


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""
