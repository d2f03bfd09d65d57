"""Runs a test's body in a forked child with new user, network and mount namespaces.

Nothing is made in the namespaces of the test run itself. With `ordinary` the child first becomes a user without rights
(if the run is root's; otherwise it is one already), so what passes needs no root. The child imports nothing anew: a
Python below root's home is unreadable for other users, so modules must be imported by the test's module.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import stat
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

from fairlead.net import linux

R = TypeVar("R")

ROOT = Path(__file__).parents[2]
_NOBODY = 65534
_PR_SET_DUMPABLE = 4
TIMEOUT_S = 120

as_any_user = pytest.mark.parametrize("ordinary", [False, True], ids=["as-is", "ordinary-user"])


def in_sandbox(work: Callable[[], R], *, ordinary: bool = False) -> R:
    """Returns the result of `work`, which must be picklable; fails with the child's traceback if it raises."""
    result: R = answer_of(lambda parent: _child(parent, work, ordinary))
    return result


def answer_of(child: Callable[[socket.socket], NoReturn]) -> Any:
    """Returns what a forked child sends by `answer`, after `enter`, or after `stay` if it needs no namespaces."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    pid = os.fork()
    if pid == 0:
        ours.close()
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        child(theirs)
    theirs.close()
    with ours:
        first = ours.recv(1)
        if first == b"m":
            for name in ("uid_map", "gid_map"):
                linux.put(f"/proc/{pid}/{name}", "0 0 65536")
            ours.send(b"m")
        # A child that fails before it has namespaces answers at once.
        received = first.strip(b"m-") + b"".join(iter(lambda: ours.recv(1 << 16), b""))
    status = os.waitpid(pid, 0)[1]
    if not received:
        raise AssertionError(f"the child ended without an answer, wait status {status}")
    good, value = pickle.loads(received)
    if not good:
        pytest.fail(value, pytrace=False)
    return value


def answer(parent: socket.socket, work: Callable[[], object]) -> NoReturn:
    """Ends the calling process with what `work` returned or raised."""
    try:
        outcome = pickle.dumps((True, work()))
    except BaseException:  # noqa: BLE001 -- handed to the parent, whatever it is
        outcome = pickle.dumps((False, traceback.format_exc()))
    parent.sendall(outcome)
    os._exit(0)


def _child(parent: socket.socket, work: Callable[[], R], ordinary: bool) -> NoReturn:
    signal.alarm(TIMEOUT_S)

    def body() -> R:
        enter(parent, linux.CLONE_NEWUSER | linux.CLONE_NEWNET | linux.CLONE_NEWNS, ordinary=ordinary)
        return work()

    answer(parent, body)


def stay(parent: socket.socket) -> None:
    """Reports that the child needs no new namespaces."""
    parent.send(b"-")


def show_checkout() -> None:
    """Lets other users read the checkout if it is below a folder that they may not enter, such as root's home.

    The folder is covered, in a mount namespace of the calling process, by one that holds the checkout alone.
    """
    closed = [folder for folder in ROOT.parents if not folder.stat().st_mode & stat.S_IXOTH]
    if not closed:
        return
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_PRIVATE)
    checkout = os.open(ROOT, os.O_PATH | os.O_CLOEXEC)
    linux.mount("fairlead-test", str(closed[-1]), "tmpfs", 0, "mode=755")
    ROOT.mkdir(parents=True)
    linux.mount(f"/proc/self/fd/{checkout}", str(ROOT), "", linux.MS_BIND | linux.MS_REC)
    os.close(checkout)


def enter(parent: socket.socket, flags: int, *, ordinary: bool) -> None:
    """Enters new namespaces, a user namespace among them; becomes an ordinary user first if `ordinary`."""
    if ordinary and os.getuid() == 0:
        show_checkout()
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        linux.prctl(_PR_SET_DUMPABLE, 1)
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(flags)
    if uid == 0:
        parent.send(b"m")
        parent.recv(1)
    else:
        linux.put("/proc/self/setgroups", "deny")
        linux.put("/proc/self/uid_map", f"0 {uid} 1")
        linux.put("/proc/self/gid_map", f"0 {gid} 1")
        stay(parent)
