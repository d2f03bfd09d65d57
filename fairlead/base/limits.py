"""Limits of the kernel: descriptors a process may have open (the soft limit, within the hard one), and processes."""

from __future__ import annotations

import contextlib
import errno
import resource


def descriptor_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def set_descriptor_limit(soft: int) -> None:
    """Does nothing if the hard limit is lower."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def raise_descriptor_limit() -> None:
    """Raises the soft limit to the hard one."""
    set_descriptor_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def explain_fork(error: OSError) -> str:
    """Explains why a process could not be made (fork(2)), with the limit to raise."""
    if error.errno == errno.ENOMEM:
        return "no memory is left for another process; end others"
    if error.errno != errno.EAGAIN:
        return str(error)
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    own = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
    limits = f"the user's (ulimit -u: {own}) or that of the control group (pids.max)"
    return f"too many processes: a limit is reached, {limits}; end other processes or raise it"
