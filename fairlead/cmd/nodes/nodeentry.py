"""Runs a program on a node: with the host's files and the node's network.

The program enters the namespaces of the node's zygote through /proc. The zygote runs as long as the node; an agent may
just be restarting. The user who started the cluster owns its user namespace and may enter it; nothing is setuid. The
program is in the sandbox's pid namespace too, so it ends with the cluster.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from fairlead.cmd.cluster.state import Run, is_alive
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.process.enter import reset_signals
from fairlead.net import linux

_KINDS = (
    ("user", linux.CLONE_NEWUSER),
    ("mnt", linux.CLONE_NEWNS),
    ("net", linux.CLONE_NEWNET),
    ("uts", linux.CLONE_NEWUTS),
    ("ipc", linux.CLONE_NEWIPC),
    ("pid", linux.CLONE_NEWPID),
)


def holder(run: Run, node: str | None) -> int:
    """Returns the pid of a running process in the node's namespaces (default: the first node). Raises CommandError."""
    names = [n.name for n in run.nodes]
    name = node or names[0]
    if name not in names:
        raise UsageError(f'there is no node "{name}": the cluster has {", ".join(names)}')
    for kind in ("zygote", "agent"):
        component = run.component(f"{kind}-{name}")
        if component is not None and component.pid and is_alive(component.pid, component.startTime):
            return component.pid
    raise CommandError(f"{name} is just starting; try again")


def run_in_node(pid: int, work: Callable[[], NoReturn]) -> int:
    """Runs `work` in a child inside the namespaces of `pid` and returns the exit code.

    The calling process must be single-threaded. It enters the same namespaces, except the pid namespace, and should
    end soon afterwards.
    """
    _enter(pid)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            reset_signals()
            work()
        finally:
            os._exit(127)
    # The terminal sends Ctrl-C to the command as well. Signals that only this process receives are forwarded.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: _forward(child, n))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _forward(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _enter(pid: int) -> None:
    folder = os.getcwd()
    try:
        fds = [(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC), flag) for kind, flag in _KINDS]
    except PermissionError as e:
        raise CommandError("the cluster belongs to another user") from e
    except FileNotFoundError as e:
        raise CommandError("the node has just ended; try again") from e
    for fd, flag in fds:
        linux.setns(fd, flag)
        os.close(fd)
    try:
        os.chdir(folder)
    except OSError:
        os.chdir("/")
