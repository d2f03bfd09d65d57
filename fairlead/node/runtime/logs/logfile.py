"""A container's log on disk, in the format of the container runtime interface, with a bound on its size.

    2026-01-02T03:04:05.678901000Z stdout F the line

The zygote writes it, so logging continues while the agent is dead. Rejected: handing the container an open file. That
survives too, but has no times, does not separate stdout from stderr, and cannot be rotated. Standard library only (the
zygote imports this).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from fairlead.base.instant import Instant, render_micro_time
from fairlead.node.runtime.protocol.messages import LOG_MAX_BYTES, LOG_MAX_FILES

_MAX_LINE = 16 << 10


class LogFile:
    """Appends what containers write, line by line."""

    def __init__(
        self, path: str, *, now: Callable[[], Instant], max_bytes: int = LOG_MAX_BYTES, max_files: int = LOG_MAX_FILES
    ) -> None:
        self.path = path
        self._now = now
        self._max = max_bytes
        self._keep = max_files - 1
        self._fd = -1
        self._size = 0
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size

    def write(self, stream: str, lines: list[bytes], *, partial: bool = False) -> None:
        """Writes lines without their newlines; `partial` if the (one) line has none."""
        head = f"{render_micro_time(self._now())[:-1]}000Z {stream} {'P' if partial else 'F'} ".encode()
        data = head + (b"\n" + head).join(lines) + b"\n"
        if self._size and self._size + len(data) > self._max:
            self._rotate()
        try:
            if self._fd < 0:
                self._open()
            os.write(self._fd, data)
        except OSError:  # the disk is full: the container goes on, its output is lost
            return
        self._size += len(data)

    def _rotate(self) -> None:
        """Leaves the file to be opened by the next write, which may fail."""
        self.close()
        for number in range(self._keep - 1, 0, -1):
            _rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        _rename(self.path, f"{self.path}.1")
        self._size = 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def older_files(path: str) -> list[str]:
    """Returns the paths of the rotated files of a log, the oldest first."""
    folder, name = os.path.split(path)
    try:
        rests = [entry[len(name) + 1 :] for entry in os.listdir(folder) if entry.startswith(f"{name}.")]
    except OSError:
        return []
    return [f"{path}.{number}" for number in sorted((int(rest) for rest in rests if rest.isdecimal()), reverse=True)]


def _rename(old: str, new: str) -> None:
    with contextlib.suppress(OSError):
        os.rename(old, new)


class LogStream:
    """An output of a container: cuts the data into lines for the file."""

    def __init__(self, file: LogFile, name: str) -> None:
        self._file = file
        self.name = name
        self._rest = b""

    def feed(self, data: bytes) -> None:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if lines:
            self._file.write(self.name, lines)
        while len(self._rest) >= _MAX_LINE:
            self._file.write(self.name, [self._rest[:_MAX_LINE]], partial=True)
            self._rest = self._rest[_MAX_LINE:]

    def end(self) -> None:
        """Writes the rest of a last line without a newline as a partial one, so that readers add none."""
        if self._rest:
            self._file.write(self.name, [self._rest], partial=True)
            self._rest = b""
