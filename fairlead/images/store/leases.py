"""Leases: the blobs, layers and host layers that a process needs before a name or a container's file says so.

<root>/leases/gate      locked for a moment: shared to add to a lease, exclusively to choose what is removed
<root>/leases/<lease>   what one process needs, an item a line; the process has it locked as long as the lease counts

What must stay true: a process adds an item to its lease before it asks whether the store has the item. So a removal has
either read the lease, or has finished before the question. A lease ends with its process, however that ends.
Standard library only: nodes without an image store use leases too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from itertools import count
from types import TracebackType
from typing import Self

_GATE = "gate"


class Lease:
    """The needs of one process, or of one Pod. Counts inside `with` only; may be used by several threads."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = os.fspath(root)
        self._lock = threading.Lock()
        self._fd = -1
        self._path = ""
        self._depth = 0
        self._needed: set[str] = set()

    def __enter__(self) -> Self:
        with self._lock:
            self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._depth -= 1
            if not self._depth and self._fd >= 0:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path)
                os.close(self._fd)
                self._fd, self._path = -1, ""
                self._needed.clear()

    @property
    def name(self) -> str:
        """Returns the name of the lease's file; empty if nothing was added."""
        return os.path.basename(self._path)

    def add(self, *items: str) -> None:
        """Protects items from now on; does nothing outside `with`. Raises OSError."""
        with self._lock:
            new = [item for item in items if item not in self._needed] if self._depth else []
            if not new:
                return
            with _gate(self._root, fcntl.LOCK_SH):
                if self._fd < 0:
                    self._fd, self._path = _new_file(f"{self._root}/leases")
                os.write(self._fd, "".join(f"{item}\n" for item in new).encode())
            self._needed.update(new)

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """Keeps removals out as long as the block lasts, for several reads that must agree."""
        return _gate(self._root, fcntl.LOCK_SH)


@contextlib.contextmanager
def removing(root: str | os.PathLike[str], own: Lease | None = None) -> Iterator[set[str]]:
    """Yields the items of all leases but `own`. No lease changes as long as the block lasts, so keep it short."""
    with _gate(os.fspath(root), fcntl.LOCK_EX):
        yield _leased(f"{os.fspath(root)}/leases", "" if own is None else own.name)


def _leased(folder: str, own: str) -> set[str]:
    needed: set[str] = set()
    for name in os.listdir(folder):
        if name in (_GATE, own):
            continue
        with contextlib.suppress(FileNotFoundError), open(f"{folder}/{name}", "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                needed.update(file.read().decode().splitlines())
            else:
                os.unlink(f"{folder}/{name}")  # of a process that was killed
    return needed


def _new_file(folder: str) -> tuple[int, str]:
    for number in count():
        path = f"{folder}/{os.getpid()}.{number}"  # processes of several PID namespaces have one number
        with contextlib.suppress(FileExistsError):
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            return fd, path
    raise AssertionError


@contextlib.contextmanager
def _gate(root: str, operation: int) -> Iterator[None]:
    os.makedirs(f"{root}/leases", mode=0o700, exist_ok=True)
    fd = os.open(f"{root}/leases/{_GATE}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, operation)
        yield
    finally:
        os.close(fd)
