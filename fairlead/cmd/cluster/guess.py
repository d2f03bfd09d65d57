"""Finds the clusters of this user, and guesses which one a command without `--name` is about."""

from __future__ import annotations

import contextlib
import os

from fairlead.cmd.cluster.name import NAME
from fairlead.cmd.cluster.paths import Paths, state_home
from fairlead.cmd.cluster.state import read_run
from fairlead.cmd.errors import CommandError, UsageError

VARIABLE = "FAIRLEAD_NAME"


def all_names() -> list[str]:
    """Returns the names of the clusters that have a folder, sorted."""
    try:
        names = os.listdir(state_home())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if NAME.fullmatch(name) and (state_home() / name).is_dir())


def running_names() -> list[str]:
    return [name for name in all_names() if _runs(name)]


def guess(default: str, *, deletes: bool) -> str:
    """Returns $FAIRLEAD_NAME, else the only running cluster, else the default.

    A deletion is never guessed among several clusters. Raises UsageError with the names to choose from.
    """
    if given := os.environ.get(VARIABLE):
        return given
    running = running_names()
    if len(running) > 1 and default not in running:
        other = "--all" if deletes else f"set ${VARIABLE}"
        raise UsageError(f"several clusters run ({', '.join(running)}): choose one with --name, or {other}")
    name = running[0] if len(running) == 1 else default
    if deletes and len(names := all_names()) > 1:
        raise UsageError(f"there are several clusters ({', '.join(names)}): choose one with --name, or --all")
    return name


def _runs(name: str) -> bool:
    with contextlib.suppress(CommandError, OSError):  # a damaged record: the cluster's own commands report it
        run = read_run(Paths(state_home() / name))
        return run is not None and run.alive()
    return False
