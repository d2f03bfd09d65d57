"""Finds the cause of a start that fails: a folder that takes no data, the last line of a log, or a signal."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

from fairlead.base.limits import explain_limit
from fairlead.cmd.cluster.paths import Paths, replace_file
from fairlead.cmd.errors import CommandError

_PROBE_BYTES = 65536
"""More than a component writes at once during a start."""
PROBE_EVERY_S = 5.0
"""Seconds between two attempts while a start lasts; most starts are shorter."""
FULL_LIMIT_S = 30.0
"""Time limit of a start that waits for room."""
_FRAME = " |+"
"""The characters that Python draws around the lines of a group of exceptions."""
_CURES = {
    errno.ENOSPC: "make room, or set XDG_STATE_HOME to another folder",
    errno.EDQUOT: "make room, or set XDG_STATE_HOME to another folder",
    errno.EFBIG: "raise the limit of a file's size: ulimit -f unlimited",
}


def storage_problem(paths: Paths) -> str:
    """Returns why the cluster's folder takes no data, with the remedy, or an empty text: it tries a write."""
    probe = paths.root / ".probe"
    try:
        replace_file(probe, bytes(_PROBE_BYTES))
        probe.unlink()
    except OSError as e:
        cure = _CURES.get(e.errno or 0, "set XDG_STATE_HOME to a folder that you can write")
        return f"cannot write to {paths.root}: {os.strerror(e.errno or 0)}; {cure}"
    return ""


class StorageWatch:
    """Notices during a start that the cluster's folder takes no data: components then try again and again."""

    def __init__(self, paths: Paths, begun: float, report: Callable[[str], None]) -> None:
        self._paths = paths
        self._report = report
        self._due = begun + PROBE_EVERY_S
        self._since: float | None = None

    def check(self, now: float) -> None:
        """Reports the problem once, since room may be made meanwhile. Raises CommandError if it lasts."""
        if now < self._due:
            return
        self._due = now + PROBE_EVERY_S
        why = storage_problem(self._paths)
        if not why:
            self._since = None
        elif self._since is None:
            self._since = now
            self._report(why)
        elif now - self._since >= FULL_LIMIT_S:
            raise CommandError(why)


def last_line(log: Path) -> str:
    """Returns the last line of a component's log: after an exception or a group of them, the last one's message."""
    with contextlib.suppress(OSError), open(log, "rb") as f:
        f.seek(max(0, log.stat().st_size - 4096))
        lines = [line.strip().lstrip(_FRAME) for line in f.read().decode(errors="replace").split("\n")]
        full = [line for line in lines if line.strip("-")]
        return full[-1] if full else ""
    return ""


def explain_exit(code: int) -> str:
    """Explains the end of a component that logged nothing; negative codes are signals."""
    if code == -signal.SIGABRT:  # libuv aborts if it gets no thread
        return f"no thread could be started; {explain_limit(OSError(errno.EAGAIN, ''))}"
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def explain_init(code: int | None, log: Path) -> str:
    """Explains the end of the sandbox's pid 1. The last line of its log is the cause only if an exception ended it: a
    signal leaves the line that was last before it, on another process."""
    what = "pid 1 of the sandbox, which all processes of the cluster need,"
    if code is None:
        return f"{what} ended"
    last = last_line(log) if code > 0 else ""
    return f"{what} {explain_exit(code)}{last and f' ({last})'}"
