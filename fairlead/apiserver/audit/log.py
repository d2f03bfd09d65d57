"""The audit log's file: a thread that writes events, and begins a new file when the present one is full.

What must stay true: no request waits for the disk or ends because of it. Events wait in a bounded queue; those that
find it full, or cannot be written, are dropped and counted.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from fairlead.apiserver.audit.record import Pending, ReadBody
from fairlead.base.dataclass import dataclass

_WAITING = 10_000
"""The number of events that may wait, as upstream's buffer."""
_MODE = 0o600


@dataclass(frozen=True, slots=True)
class LogFile:
    """The settings of the file."""

    path: str
    max_bytes: int = 100 << 20
    backups: int = 5
    """The number of full files that are kept, as `<path>.1` (the newest) and so on."""


class AuditLog:
    """Writes events until `close`."""

    def __init__(self, file: LogFile, read: ReadBody, *, on_error: Callable[[str], None]) -> None:
        self._file = file
        self._read = read
        self._on_error = on_error
        self._queue: queue.Queue[Pending | None] = queue.Queue(_WAITING)
        self._fd = -1
        self._size = 0
        self.written = 0
        self.dropped = 0
        self._open()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def emit(self, event: Pending) -> None:
        """Hands an event to the thread; drops the event if too many are waiting."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Writes the waiting events and closes the file."""
        self._queue.put(None)
        self._thread.join()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._write(event.complete(self._read))
                self.written += 1
            except Exception as error:  # noqa: BLE001 -- a bad event or a full disk must not end the thread
                if not self.dropped:
                    self._on_error(repr(error))
                self.dropped += 1

    def _write(self, line: bytes) -> None:
        if self._fd < 0:
            self._open()
        if self._size and self._size + len(line) > self._file.max_bytes:
            self._rotate()
        data = memoryview(line)
        while data:
            data = data[os.write(self._fd, data) :]
        self._size += len(line)

    def _open(self) -> None:
        self._fd = os.open(self._file.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        os.close(self._fd)
        self._fd = -1
        path = self._file.path
        for number in range(self._file.backups, 0, -1):
            older = Path(f"{path}.{number - 1}") if number > 1 else Path(path)
            if older.exists():
                older.replace(f"{path}.{number}")
        if not self._file.backups:
            Path(path).unlink()
        self._open()
