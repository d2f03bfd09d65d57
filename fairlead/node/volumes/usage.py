"""Measures a volume: the space of its file system, and what its files take.

Directories are not limited (decision 29), so `capacity` and `available` are the file system's, as kubelets
report them for such volumes.
"""

from __future__ import annotations

import os

from fairlead.base.dataclass import dataclass

_BLOCK = 512
"""Bytes in a unit of `st_blocks` (stat(2))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeUsage:
    """Bytes and inodes."""

    capacity: int
    available: int
    used: int
    inodes: int
    inodes_free: int
    inodes_used: int


def measure(root: str) -> VolumeUsage:
    """Returns the usage of a directory. It reads the whole tree, so call it in a thread. Raises OSError."""
    used, inodes_used = _tree(root)
    system = os.statvfs(root)
    return VolumeUsage(
        capacity=system.f_blocks * system.f_frsize,
        available=system.f_bavail * system.f_frsize,
        used=used,
        inodes=system.f_files,
        inodes_free=system.f_ffree,
        inodes_used=inodes_used,
    )


def _tree(root: str) -> tuple[int, int]:
    """Returns the bytes and the number of the files, each counted once, whatever its number of links."""
    seen: set[tuple[int, int]] = set()
    used = 0
    for _path, folders, files, folder in os.fwalk(root, onerror=None, follow_symlinks=False):
        for status in (os.fstat(folder), *_statuses(folder, [*folders, *files])):
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                used += status.st_blocks * _BLOCK
    return used, len(seen)


def _statuses(folder: int, names: list[str]) -> list[os.stat_result]:
    found = []
    for name in names:
        try:
            found.append(os.stat(name, dir_fd=folder, follow_symlinks=False))
        except FileNotFoundError:  # deleted meanwhile
            continue
    return found
