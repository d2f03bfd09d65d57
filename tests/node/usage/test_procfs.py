"""Usage of processes, read from /proc."""

from __future__ import annotations

import os
import subprocess
import sys

from fairlead.net.linux import mount_namespace
from fairlead.node.usage.model import Usage
from fairlead.node.usage.procfs import by_mount_namespace, of_process

WORK = "sum(i * i for i in range(3_000_000))"


def test_a_process_has_time_and_memory() -> None:
    found = of_process(os.getpid())
    assert found.cpu_s > 0
    assert found.memory_bytes > 1 << 20


def test_a_program_that_has_ended_counts_for_the_process_that_waited_for_it() -> None:
    before = of_process(os.getpid()).cpu_s
    subprocess.run([sys.executable, "-c", WORK], check=True)
    assert of_process(os.getpid()).cpu_s > before


def test_a_process_that_does_not_exist_has_used_nothing() -> None:
    assert of_process(1 << 22) == Usage()


def test_processes_are_told_apart_by_their_mount_namespace() -> None:
    own = mount_namespace(os.getpid())
    found = by_mount_namespace([own, 1])
    assert found[own].cpu_s >= of_process(os.getpid()).cpu_s - 0.1
    assert found[1] == Usage()
