"""Rotates logs by size while processes write to them.

What must stay true: a log and its predecessor hold at most twice the limit, plus the output between two checks. A
component, its threads and its children share the log's descriptor and cannot reopen the file. So the log is copied and
then truncated: all writers append (`O_APPEND`) and continue at the new end. Lines written between copy and truncation,
less than a millisecond, are lost.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LIMIT = 8 << 20
EVERY_S = 30.0


def rotate(path: Path, *, limit: int = LIMIT) -> bool:
    """Moves the content to `<name>.log.1` if it is longer than `limit`; returns if it did. Ignores OSError."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > limit:
            _move(path, path.with_suffix(".log.1"))
            return True
    return False


def rotate_all(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob("*.log")):
            rotate(path)


def _move(path: Path, to: Path) -> None:
    log = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with contextlib.suppress(OSError):  # if there is no room for the copy, the log is truncated all the same
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
