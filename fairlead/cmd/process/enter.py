"""The two steps from the host into the sandbox: process A makes the namespaces, and its child is pid 1 of the new
pid namespace.

What must stay true: killing the supervisor kills A, killing A kills pid 1, and the kernel kills everything else in
the pid namespace with pid 1. The parent-death signal is set after `unshare`, because gaining capabilities clears it.
A must be single-threaded. It has to stay, since a pid namespace is entered by children only; it becomes `sleep`, which
needs 5 MB less than an interpreter that waits. The supervisor knows the end of pid 1 by the end of their line.
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
    """Forks A and returns its pid. `channel` is the sandbox's end; the caller closes its own copy. Of the other
    descriptors only `keep` goes along: above all not the lock, which must end with the supervisor."""
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
    os.setsid()  # the terminal's Ctrl-C is for the supervisor, which then ends us in order
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
    """Closes every descriptor but the standard three and those named."""
    kept = {0, 1, 2, *keep}
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd not in kept:
            with contextlib.suppress(OSError):
                os.close(fd)


def reset_signals() -> None:
    """What a forked child must not inherit from an event loop or a supervisor."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def write_root_maps(pid: int) -> None:
    """Root gets the range of ids it has itself, up to 65,536: only a process outside may write that."""
    for kind in ("uid", "gid"):
        with open(f"/proc/self/{kind}_map", encoding="ascii") as f:
            first, _, count = f.readline().split()
        length = min(65536, int(count)) if first == "0" else 1
        linux.put(f"/proc/{pid}/{kind}_map", f"0 0 {length}")
