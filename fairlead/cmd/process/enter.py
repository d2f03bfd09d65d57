"""The two steps from the host into the sandbox: process A makes the namespaces, and its child is pid 1 of the new
pid namespace.

What must stay true: killing the supervisor kills A, killing A kills pid 1, and the kernel kills everything else in
the pid namespace with pid 1. The parent-death signal is set after `unshare`, because gaining capabilities clears it.
A must be single-threaded. A must keep running, since only children enter a new pid namespace. A becomes `sleep`, which
needs 5 MB less than a waiting interpreter. The supervisor notices the end of pid 1 by the end of the channel.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from typing import NoReturn

from fairlead.cmd.process.channel import Channel
from fairlead.cmd.process.messages import NamespacesRefused, Unshared
from fairlead.net import linux

NAMESPACES = (
    linux.CLONE_NEWUSER
    | linux.CLONE_NEWNS
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWPID
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
)


def start(channel: Channel, log_fd: int, *, keep: tuple[int, ...], pid1: Callable[[], NoReturn]) -> int:
    """Forks A and returns its pid.

    `channel` is the sandbox's end; the caller closes its copy. A keeps only the descriptors in `keep`. In particular,
    A must not keep the lock, which must end with the supervisor.
    """
    supervisor = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _prepare(log_fd, (channel.fileno(), *keep))
            _enter(channel, supervisor, pid1)
        finally:
            os._exit(1)
    return pid


def _prepare(log_fd: int, keep: tuple[int, ...]) -> None:
    os.setsid()  # only the supervisor gets the terminal's Ctrl-C; it then ends the sandbox in order
    linux.set_process_name("fairlead-ns")
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)
    close_others(keep)
    reset_signals()


def _enter(channel: Channel, supervisor: int, pid1: Callable[[], NoReturn]) -> None:
    uid, gid = os.getuid(), os.getgid()
    try:
        linux.unshare(NAMESPACES)
        if uid == 0:
            channel.send(Unshared())
            channel.receive()  # the supervisor has written the maps
        else:
            linux.put("/proc/self/setgroups", "deny")
            linux.put("/proc/self/uid_map", f"0 {uid} 1")
            linux.put("/proc/self/gid_map", f"0 {gid} 1")
        _die_with(supervisor)
        child = os.fork()
    except OSError as e:
        channel.send(NamespacesRefused(e.errno or 0, str(e)))
        os._exit(1)
    if child == 0:
        try:
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            pid1()
        except BaseException:  # noqa: BLE001 - the top of a process: goes to its log
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)
    with contextlib.suppress(OSError):
        os.execvp("sleep", ["fairlead-ns", str(2**31 - 1)])
    channel.close()
    os.waitpid(child, 0)


def _die_with(parent: int) -> None:
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def close_others(keep: tuple[int, ...]) -> None:
    """Closes every descriptor except 0, 1, 2 and those in `keep`."""
    kept = {0, 1, 2, *keep}
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd not in kept:
            with contextlib.suppress(OSError):
                os.close(fd)


def reset_signals() -> None:
    """Resets the signal handlers that a forked child must not inherit from an event loop or a supervisor."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def write_root_maps(pid: int) -> None:
    """Maps root's own range of ids, up to 65,536, into the namespace of `pid`. The writer must be outside of it."""
    for kind in ("uid", "gid"):
        with open(f"/proc/self/{kind}_map", encoding="ascii") as f:
            first, _, count = f.readline().split()
        length = min(65536, int(count)) if first == "0" else 1
        linux.put(f"/proc/{pid}/{kind}_map", f"0 0 {length}")
