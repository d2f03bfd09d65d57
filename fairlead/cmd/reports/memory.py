"""The memory of a cluster: of its supervisor and everything below, Pods included."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from fairlead.node.usage.procfs import of_process


def memory_of_tree(pid: int) -> int:
    """Returns the proportional set sizes of the process and its descendants in bytes."""
    return sum(of_process(one).memory_bytes for one in _tree(pid))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):  # a process that has just ended
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                for child in file.read().split():
                    yield from _tree(int(child))
