"""Starts and stops the process of a cluster that lives and dies with this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

READY = "is ready"
_STOP_S = 20.0


class StartError(Exception):
    """The cluster did not start; the text is its output."""


def command(*words: str) -> list[str]:
    """Returns the command line of a command of Fairlead, in this interpreter."""
    return [sys.executable, "-m", "fairlead.cmd.main", *words]


def start(name: str, flags: Sequence[str]) -> subprocess.Popen[str]:
    """Starts a new cluster and returns when it is ready. It ends with this process, and its folder goes with it. Raises
    StartError."""
    words = ("--name", name, "--rm", "--no-kubeconfig", "--die-with-parent", str(os.getpid()))
    process = subprocess.Popen(
        command("up", *words, *flags),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for the test runner, which then ends the cluster in order
    )
    assert process.stdout is not None
    lines = []
    with process.stdout as output:  # the process goes on without a reader
        for line in output:
            lines.append(line)
            if READY in line:
                return process
    process.wait()
    raise StartError("".join(lines).strip() or f"it ended with {process.returncode}")


def stop(process: subprocess.Popen[str]) -> None:
    """Ends the cluster in order, or by force if that takes too long."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(*words: str) -> str:
    """Returns the output of a command of Fairlead. Raises StartError with its error."""
    done = subprocess.run(command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartError((done.stderr or done.stdout).strip())
    return done.stdout
