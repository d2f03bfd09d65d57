"""Watches the parent process, so that the cluster ends with it (`fairlead up --die-with-parent`).

Rejected: the parent-death signal (prctl(2), PR_SET_PDEATHSIG). It comes when the thread that started this process ends,
which a test runner's worker threads do, and not when the parent process ends.
"""

from __future__ import annotations

import os

from fairlead.cmd.errors import CommandError, UsageError


def watch_parent(pid: int) -> int:
    """Returns a descriptor that becomes readable when the parent ends. Raises CommandError if the parent has ended.

    `pid` is the pid that the parent gave, or 0. Only with a pid is an end noticed that came before this call.
    """
    parent = os.getppid()
    if parent == 0:
        raise UsageError("--die-with-parent: the parent is in another pid namespace")
    gone = CommandError(f"--die-with-parent: process {pid or parent} has ended")
    if pid and pid != parent:
        raise gone
    try:
        fd = os.pidfd_open(parent)
    except ProcessLookupError as e:
        raise gone from e
    if os.getppid() != parent:  # the pid may belong to another process by now
        os.close(fd)
        raise gone
    return fd
