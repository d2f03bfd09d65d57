"""Stops the processes of all Pods for a moment, so that their volumes are copied as they are at one time.

What must stay true: no process stays stopped. `Pause` continues them when its block ends; if this process is killed
meanwhile, its successor does (`continue_left`), by the file that lists them.

Rejected: the freezer of control groups, which an ordinary user has only if systemd delegates it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_STOP_LIMIT_S = 1.0
"""A process in an uninterruptible system call stops when that ends."""
_STOPPED = b"Tt"


@contextmanager
def paused(record: Path) -> Iterator[None]:
    """Stops the Pods' processes for the block; `record` is the file that lists them meanwhile."""
    pids = [pid for pid in pod_processes() if _state(pid) not in _STOPPED]
    record.write_text(json.dumps([[pid, _start(pid)] for pid in pids]), encoding="ascii")
    try:
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        _wait_stopped(pids)
        yield
    finally:
        for pid in pids:
            _signal(pid, signal.SIGCONT)
        record.unlink(missing_ok=True)


def continue_left(record: Path) -> None:
    """Continues the processes that a killed process has left stopped."""
    with suppress(ValueError, OSError):
        for pid, started in json.loads(record.read_bytes()):
            if _start(pid) == started:
                _signal(pid, signal.SIGCONT)
    record.unlink(missing_ok=True)


def pod_processes() -> list[int]:
    """Returns the processes in pid namespaces below this process's own; none if /proc is of another namespace."""
    if os.readlink("/proc/self") != str(os.getpid()):
        return []
    own = _depth(os.getpid())
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _depth(pid) > own]


def _depth(pid: int) -> int:
    """Returns the number of pid namespaces that the process is in, as far as /proc shows them; 0 if it has ended."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"NSpid:"):
                return len(line.split()) - 1
    return 0


def _wait_stopped(pids: Sequence[int]) -> None:
    until = time.monotonic() + _STOP_LIMIT_S  # noqa: TID251 -- about the kernel, not about the cluster's time
    while any(_state(pid) not in _STOPPED + b"ZX" for pid in pids):
        if time.monotonic() > until:  # noqa: TID251
            return
        time.sleep(0.0005)


def _stat(pid: int) -> list[bytes]:
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()
    return [b"X"]


def _state(pid: int) -> bytes:
    return _stat(pid)[0]


def _start(pid: int) -> int:
    """Returns the start of the process in clock ticks since boot; 0 if it has ended."""
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 else 0


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
