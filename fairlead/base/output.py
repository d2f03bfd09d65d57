"""Standard output and error of a process that must outlive its log.

What must stay true: no write here raises, whether the disk is full, the file too large, the pipe closed or the
terminal gone. What could not be written is lost, and the next line that can be written is preceded by a line that
says so. Every writer of the process is covered: `print`, `traceback`, `logging`, `warnings`.
"""

from __future__ import annotations

import io
import os
import sys


class LossyStream(io.TextIOBase):
    """A text stream on a descriptor, unbuffered, whose writes never fail."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lost = 0
        """Bytes, since the last write that succeeded."""
        self._why = ""

    def write(self, text: str, /) -> int:
        data = text.encode(self.encoding, self.errors)
        if self._lost:
            notice = f"({self._lost} bytes of output were lost: {self._why})\n".encode()
            if self._put(notice) < len(notice):
                self._lost += len(data)
                return len(text)
            self._lost = 0
        self._lost = len(data) - self._put(data)
        return len(text)

    def _put(self, data: bytes) -> int:
        """Returns how many bytes were written."""
        rest = memoryview(data)
        try:
            while rest:  # as the disk becomes full, a write may be a short one
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            self._why = os.strerror(error.errno or 0)
        return len(data) - len(rest)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)


def guard_output() -> None:
    """Makes `sys.stdout` and `sys.stderr` of this process, and of its forks, streams that never fail."""
    sys.stdout, sys.stderr = LossyStream(1), LossyStream(2)
