"""The lock of a cluster's folder, and the deletion of the folder.

What must stay true: only a holder of the lock deletes the folder. `purge` renames the folder before it deletes
anything, so a command that starts meanwhile makes a new folder and never works in one that is being deleted. A lock
counts only if its file is still the one at the path: after a purge the descriptors of waiting commands refer to a
deleted file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.errors import CommandError

PAUSE_S = 0.02
"""Pause between two attempts."""


def try_lock(paths: Paths) -> int | None:
    """Returns the lock as a descriptor to keep, or None if another process holds it.

    Raises FileNotFoundError if the folder does not exist.
    """
    while True:
        fd = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        if _is_at(paths.lock, fd):
            return fd
        os.close(fd)


def wait_lock(paths: Paths, timeout_s: float) -> int | None:
    """Returns the lock as `try_lock` does, or None after `timeout_s`: children of the last holder may still end."""
    for _ in range(max(1, int(timeout_s / PAUSE_S))):
        fd = try_lock(paths)
        if fd is not None:
            return fd
        time.sleep(PAUSE_S)
    return None


def purge(paths: Paths) -> None:
    """Deletes the cluster's folder. The caller holds the lock."""
    root = paths.root
    try:
        root.rename(root.with_name(f".{root.name}.purged.{os.getpid()}"))
        for folder in root.parent.glob(f".{root.name}.purged.*"):  # with what an interrupted purge has left
            _delete(folder)
    except OSError as e:
        raise CommandError(f"cannot delete {root}: {e}") from e


def _is_at(path: Path, fd: int) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))


def _delete(folder: Path) -> None:
    """Deletes a tree. Overlay leaves folders of mode 000 behind, which their owner may open again."""
    import shutil  # 3 ms, with the libraries of archives

    def reopen(_function: object, path: str, _info: object) -> None:
        with contextlib.suppress(FileNotFoundError):  # another purge deletes the same leftovers
            os.chmod(os.path.dirname(path), 0o700)
            if os.path.isdir(path) and not os.path.islink(path):
                os.chmod(path, 0o700)
                shutil.rmtree(path, onerror=reopen)
            else:
                os.unlink(path)

    shutil.rmtree(folder, onerror=reopen)
