"""Finds a cluster by its name, or returns the message with the command that starts it."""

from __future__ import annotations

from pathlib import Path

from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.paths import Paths, paths_of
from fairlead.cmd.cluster.state import Run, read_run
from fairlead.cmd.errors import CommandError


def kubeconfig_path(name: str) -> Path:
    """Returns the path of the cluster's kubeconfig. Raises CommandError if the cluster does not exist."""
    paths = paths_of(name)
    if not paths.kubeconfig.exists():
        raise CommandError(no_such_cluster(name))
    return paths.kubeconfig


def running(name: str) -> tuple[Paths, Run]:
    """Returns the cluster's folder and its processes. Raises CommandError if the cluster does not run."""
    paths = paths_of(name)
    run = read_run(paths)
    if run is None or not run.alive():
        raise CommandError(why_down(name))
    return paths, run


def why_down(name: str) -> str:
    """Returns the line about a cluster that does not run. Raises CommandError if it cannot be started either."""
    if settings.load(paths_of(name)) is None:
        return no_such_cluster(name)
    return not_running(name)


def not_running(name: str) -> str:
    return f'cluster "{name}" is not running; {_start(name)}'


def no_such_cluster(name: str) -> str:
    return f'there is no cluster "{name}"; {_start(name)}'


def lost_settings(name: str, paths: Paths) -> CommandError:
    cure = f"delete it: fairlead down --purge --name {name}"
    return CommandError(f'cluster "{name}" has lost its settings, {paths.config}; {cure}')


def _start(name: str) -> str:
    return f"start it: fairlead up --detach{'' if name == 'default' else f' --name {name}'}"
