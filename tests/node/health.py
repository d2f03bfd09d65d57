"""Starts the gRPC server of `healthserver.py` as a process, so that gRPC's threads stay out of the tests' process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def health_server(mode: str = "plain", port: int = 0) -> Iterator[int]:
    """Gives the port of a server that runs while the block lasts."""
    command = [sys.executable, "-m", "tests.node.healthserver", mode, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            assert process.stdin is not None
            process.stdin.close()
