"""A client that asks one request after the other, from another network namespace, while a block lasts."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from tests.cluster.support import until

PYTHON = "/usr/bin/python3"
_ASK = """
import sys, time, urllib.request
last, longest, failed, count = time.monotonic(), 0, 0, 0
while count < 20000:
    try:
        urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).read()
        now = time.monotonic()
        last, longest, count = now, max(longest, now - last), count + 1
    except OSError:
        failed += 1
    print(count, failed, round(longest, 3), flush=True)
    time.sleep(0.02)
"""


@dataclass(frozen=True)
class Report:
    answers: int = 0
    failed: int = 0
    """Requests that were refused, or given up."""
    longest_s: float = 0.0
    """The longest time between two answers."""


class Asking:
    """`enter`: the command that enters the client's network. A request fails after `patience_s`."""

    def __init__(self, enter: Sequence[str], url: str, *, patience_s: float = 0.2) -> None:
        self.report = Report()
        command = [*enter, PYTHON, "-uc", _ASK, url, str(patience_s)]
        self._process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, cwd="/")
        self._reader = threading.Thread(target=self._read, daemon=True)

    def more(self, answers: int) -> None:
        """Waits for that many."""
        before = self.report.answers
        until("more answers", lambda: self.report.answers >= before + answers)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith("\n"):
                return  # killed while it wrote
            answers, failed, longest_s = line.split()
            self.report = Report(int(answers), int(failed), float(longest_s))

    def __enter__(self) -> Asking:
        self._reader.start()
        try:
            self.more(10)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._reader.join(10)
        self._process.communicate()
