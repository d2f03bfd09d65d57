"""A container's process enters its control group, and shows the group to the container's programs.

Standard library only: this runs in a forked child of the zygote.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from fairlead.net import linux
from fairlead.net.linux import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY

_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY


def enter(groups: Sequence[str], *, new_namespace: bool) -> None:
    """Moves the calling process into the groups, which then are the top of its view (cgroup_namespaces(7))."""
    for group in groups:
        linux.put(f"{group}/cgroup.procs", "0")
    if groups and new_namespace:
        linux.unshare(linux.CLONE_NEWCGROUP)


def show(groups: Sequence[str], at: str) -> None:
    """Mounts the container's groups read-only on /sys/fs/cgroup, as the kernel has them: v2, or each hierarchy of v1.
    Without the right to do so the directory stays empty."""
    with contextlib.suppress(PermissionError):
        if len(groups) == 1:
            linux.mount("cgroup", at, "cgroup2", _FLAGS)
        elif groups:
            _show_hierarchies(groups, at)


def _show_hierarchies(groups: Sequence[str], at: str) -> None:
    linux.mount("cgroup", at, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k")
    for controller in ("memory", "cpu", "pids"):
        os.mkdir(f"{at}/{controller}")
        linux.mount("cgroup", f"{at}/{controller}", "cgroup", _FLAGS, controller)
    linux.set_read_only(at)


def set_oom_score(adjust: int | None) -> None:
    """Sets the order in which the kernel kills. Only root may make itself less likely to be killed (proc(5))."""
    if adjust is not None:
        with contextlib.suppress(OSError):
            linux.put("/proc/self/oom_score_adj", str(adjust))
