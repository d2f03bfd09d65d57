"""Parts of a support bundle, from files that change meanwhile."""

from __future__ import annotations

from pathlib import Path

from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.reports.bundle import state_parts


def test_a_file_that_disappears_during_the_walk_is_left_out() -> None:
    # The list of this process's open files has the file that reads the list; it is closed when that has been read.
    parts = {part.name: part for part in state_parts(Paths(Path("/proc/self/fdinfo")), dict)}
    names = [line.split()[-1] for line in parts["files.txt"].make().splitlines()]
    assert "0" in names
    assert all(name.isdigit() for name in names)
