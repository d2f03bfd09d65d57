"""Finds a cluster's processes without `run.json`, which may be deleted or damaged while the cluster runs.

What must stay true: commands that start, stop or purge a cluster hold the lock too, and are never taken for a
supervisor. Only a supervisor has a sandbox. Components are found by the names that they set, which `ps` shows.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from fairlead.cmd.cluster.paths import Paths

_NAMESPACES = b"fairlead-ns"
"""The first word of the command line of the supervisor's child that keeps the namespaces."""


def find_supervisor(paths: Paths) -> int:
    """Returns the pid of the supervisor, or 0 if no supervisor of this user holds the lock."""
    if not _is_locked(paths):
        return 0
    lock = os.stat(paths.lock)
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return next((pid for pid in pids if _has_open(pid, lock) and list(_sandboxes(pid))), 0)


def find_components(supervisor: int) -> Iterator[tuple[str, int]]:
    """Yields the name and the pid of each component: the children of the sandbox's pid 1."""
    for sandbox in _sandboxes(supervisor):
        for init in _children(sandbox):
            for pid in _children(init):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as f:
                    yield f.read().strip(), pid


def exit_of_init(sandbox: int) -> int | None:
    """Returns the exit code of the sandbox's pid 1, negative for a signal; None if it is unknown.

    Its parent, `sandbox`, never waits for it, so that it stays a zombie (proc_pid_stat(5), field 52).
    """
    for init in _children(sandbox):
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{init}/stat", "rb") as f:
            return os.waitstatus_to_exitcode(int(f.read().rpartition(b")")[2].split()[49]))
    return None


def _is_locked(paths: Paths) -> bool:
    """Returns whether a process holds the lock. Takes a shared lock for a moment: `try_lock` of others is repeated."""
    try:
        fd = os.open(paths.lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _has_open(pid: int, file: os.stat_result) -> bool:
    with contextlib.suppress(OSError):  # the process has ended, or is another user's
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), file):
                    return True
    return False


def _sandboxes(supervisor: int) -> Iterator[int]:
    for pid in _children(supervisor):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
            if f.read().split(b"\0")[0].split(b" ")[0] == _NAMESPACES:
                yield pid


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(word) for word in f.read().split()]
    return []
