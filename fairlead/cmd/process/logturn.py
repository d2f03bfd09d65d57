"""Turns logs over by size while they are written to.

What must stay true: a log and the one before it hold at most twice the limit, plus what is written between two looks.
A log's descriptor is shared by a component, its threads and its children, none of which could be told to open another
file. So the log is copied and then emptied: all who write to it append (`O_APPEND`), and go on at its new end. Lines
written between the copy and the cut, which is less than a millisecond, are lost.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LIMIT = 8 << 20
EVERY_S = 30.0


def turn_over(path: Path, *, limit: int = LIMIT) -> bool:
    """Moves the log's content to `<name>.log.1` if it is longer than `limit`. Keeps it if that cannot be done."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > limit:
            _move(path, path.with_suffix(".log.1"))
            return True
    return False


def turn_all_over(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob("*.log")):
            turn_over(path)


def _move(path: Path, to: Path) -> None:
    log = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with contextlib.suppress(OSError):  # without room for the copy the log is cut all the same
            _copy(log, to)
        os.ftruncate(log, 0)
    finally:
        os.close(log)


def _copy(log: int, to: Path) -> None:
    copy = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while os.sendfile(copy, log, None, 1 << 20):
            pass
    finally:
        os.close(copy)
