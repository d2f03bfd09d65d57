"""Removes the control groups that a cluster's nodes have made, after all their processes have ended."""

from __future__ import annotations

import contextlib
import os

from fairlead.cmd.cluster.paths import Paths


def remove_groups(paths: Paths) -> None:
    """Reads the groups' paths from the nodes' folders; a group with a process in it stays."""
    for record in paths.root.glob("nodes/*/cgroups"):
        for root in record.read_text(encoding="utf-8").splitlines():
            for folder, _, _ in os.walk(root, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
