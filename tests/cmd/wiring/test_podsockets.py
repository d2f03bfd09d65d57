"""Processes of Pods, as `/proc` shows them."""

from __future__ import annotations

import subprocess
import sys

from fairlead.cmd.wiring.podsockets import process_at

_NAMED = r"""
with open("/proc/self/comm", "wb") as file:
    file.write(b"\xff) R 1 \xfe")
print("ready", flush=True)
input()
"""


def test_a_process_may_have_a_name_of_any_bytes() -> None:
    with subprocess.Popen([sys.executable, "-c", _NAMED], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            assert process_at(child.pid, "127.0.0.1") == child.pid
        finally:
            child.kill()
