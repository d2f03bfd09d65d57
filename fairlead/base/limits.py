"""Limits of the kernel: descriptors a process may have open (the soft limit, within the hard one), processes, and
namespaces."""

from __future__ import annotations

import contextlib
import errno
import resource

_NAMESPACES = ("user", "mnt", "net", "pid", "ipc", "uts")
_ENOUGH = 15_000
"""A limit of namespaces that is enough for several clusters."""
_UNLIMITED = (1 << 31) - 1
_TOO_MANY = "too many namespaces are in use: end other clusters or containers,"


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


def explain_limit(error: OSError) -> str:
    """Explains why the kernel refused a process (fork(2)), a namespace (unshare(2)) or a descriptor, with the limit to
    raise. Other errors keep their text."""
    if error.errno == errno.ENOMEM:
        return "no memory is left for another process; end others"
    if error.errno == errno.EMFILE:
        return f"too many open files: the limit of this process (ulimit -n: {descriptor_limit()}) is reached; raise it"
    if error.errno == errno.ENFILE:
        return "too many open files on this machine: raise the limit: sudo sysctl -w fs.file-max=1000000"
    if error.errno == errno.ENOSPC and "unshare" in str(error):
        return too_many_namespaces()
    if error.errno != errno.EAGAIN:
        return str(error)
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    own = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
    limits = f"the user's (ulimit -u: {own}) or that of the control group (pids.max)"
    return f"too many processes: a limit is reached, {limits}; end other processes or raise it"


def too_many_namespaces() -> str:
    """Returns the lowest limits of namespaces (namespaces(7), /proc/sys/user) and the command that raises them."""
    found = {kind: _namespace_limit(kind) for kind in _NAMESPACES}
    lowest = min(found.values())
    if lowest >= _UNLIMITED:  # inside a user namespace, whose owner's limits cannot be read
        return f"{_TOO_MANY} or raise the limits of this user: sysctl -a -r 'user.max_.*_namespaces'"
    settings = (f"user.max_{kind}_namespaces={max(_ENOUGH, 2 * lowest)}" for kind, n in found.items() if n == lowest)
    cure = f"raise the limits: sudo sysctl -w {' '.join(settings)}"
    return f"{_TOO_MANY} or {cure}"


def _namespace_limit(kind: str) -> int:
    try:
        with open(f"/proc/sys/user/max_{kind}_namespaces", encoding="ascii") as f:
            return int(f.read())
    except OSError:
        return _UNLIMITED
