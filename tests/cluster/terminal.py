"""A shell in a pseudo-terminal, into which a test types as a user does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

PROMPT = "ready> "
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>()][0-9A-B]?|\][^\x07]*\x07)")


class Terminal:
    """The test's end of the terminal."""

    def __init__(self, master: int) -> None:
        self._master = master

    def type(self, line: str, *, limit_s: float = 60) -> str:
        """Types a line and returns what the screen shows until the next prompt, without the line itself."""
        os.write(self._master, line.encode() + b"\n")
        shown = self.wait(PROMPT, limit_s=limit_s)
        return shown.partition("\n")[2].removesuffix(PROMPT)

    def wait(self, text: str, *, limit_s: float = 60) -> str:
        """Returns the screen's text up to the first `text` at its end. Raises TimeoutError."""
        shown, deadline = "", time.monotonic() + limit_s
        while not shown.endswith(text):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._master], [], [], left)[0]:
                raise TimeoutError(f"no {text!r} on the screen within {limit_s} s:\n{shown}")
            shown += os.read(self._master, 65536).decode(errors="replace").replace("\r\n", "\n")
        return shown


@contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str], *, columns: int = 80) -> Iterator[Terminal]:
    """Yields a terminal in which bash runs, behind `command` (a change of the user, say)."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    own = {"PS1": PROMPT, "TERM": "dumb", "INPUTRC": "/dev/null"}
    with subprocess.Popen(
        [*command, "bash", "--norc", "--noprofile", "-i"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**environment, **own},
        start_new_session=True,
        cwd=environment["HOME"],
    ) as shell:
        os.close(slave)
        try:
            made = Terminal(master)
            made.wait(PROMPT)
            made.type("bind 'set enable-bracketed-paste off' 2>/dev/null; stty -echoctl 2>/dev/null")
            yield made
        finally:
            shell.kill()
            os.close(master)


def without_colours(shown: str) -> str:
    return _ESCAPES.sub("", shown)
