"""An attacker: exchanges a directory and a link to another one, again and again, in a separate process."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

EXCHANGES = 10_000
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def _exchange(libc: ctypes.CDLL, one: str, other: str) -> None:
    if libc.renameat2(_AT_FDCWD, one.encode(), _AT_FDCWD, other.encode(), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")


@contextmanager
def exchanging(one: str, other: str) -> Iterator[int]:
    """A descriptor that becomes readable (its end) after EXCHANGES; the exchanges go on until the block ends."""
    done, working = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            for _ in range(EXCHANGES):
                _exchange(libc, one, other)
            os.closerange(3, 1 << 16)
            while True:
                _exchange(libc, one, other)
        finally:
            os._exit(1)
    os.close(working)
    try:
        yield done
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(done)


def is_over(done: int) -> bool:
    os.set_blocking(done, False)
    try:
        return os.read(done, 1) == b""
    except BlockingIOError:
        return False
