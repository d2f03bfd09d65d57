"""The process that started this one, to end with it (`fairlead up --die-with-parent`).

Rejected: the parent-death signal (prctl(2), PR_SET_PDEATHSIG). It comes when the thread that started this process ends,
which a test runner's worker threads do, and not when the parent process ends.
"""

from __future__ import annotations

import os

from fairlead.cmd.errors import CommandError, UsageError


def watch_parent(pid: int) -> int:
    """Returns a descriptor that can be read once the parent has ended. Raises CommandError if it has already.

    `pid` is the parent as it knows itself, or 0: only with it an end before this process looks can be noticed.
    """
    parent = os.getppid()
    if parent == 0:
        raise UsageError("--die-with-parent: the parent is in another pid namespace")
    gone = CommandError(f"--die-with-parent: process {pid or parent} is gone")
    if pid and pid != parent:
        raise gone
    try:
        fd = os.pidfd_open(parent)
    except ProcessLookupError as e:
        raise gone from e
    if os.getppid() != parent:  # the number may be another process's by now
        os.close(fd)
        raise gone
    return fd
