"""Stops a cluster in order, and deletes its folder on request."""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import time

from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster import userconfig
from fairlead.cmd.cluster.guess import all_names, running_names
from fairlead.cmd.cluster.lock import purge as delete_folder
from fairlead.cmd.cluster.lock import wait_lock
from fairlead.cmd.cluster.paths import Paths, paths_of
from fairlead.cmd.cluster.state import Run, is_alive, read_run
from fairlead.cmd.errors import CommandError
from fairlead.cmd.process.cgroups import remove_groups
from fairlead.cmd.process.pid1 import GRACE_S

_PATIENCE_S = GRACE_S + 5.0


def add_all_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="all clusters of this user")


def stop_clusters(name: str | None, *, purge: bool) -> int:
    """Stops one cluster, or all (`name` None): those that run, with `purge` also the others."""
    if name is not None:
        return stop_cluster(name, purge=purge)
    names = all_names() if purge else running_names()
    for one in names:
        stop_cluster(one, purge=purge)
    if not names:
        print("no clusters" if purge else "no cluster runs")
    return 0


def stop_cluster(name: str, *, purge: bool, quiet: bool = False) -> int:
    """Stops the cluster and returns 0, also if the cluster does not run. Raises CommandError."""
    paths = paths_of(name)
    if not paths.root.exists():
        _say(f'there is no cluster "{name}"', quiet=quiet)
        return 0
    run = read_run(paths)
    if run is not None and run.alive():
        _end(run)
        remove_groups(paths)  # if the supervisor was killed
        _say(f'cluster "{name}" is down', quiet=quiet)
    else:
        _say(f'cluster "{name}" is not running', quiet=quiet)
    if purge:
        _purge(name, paths, quiet=quiet)
    return 0


def _purge(name: str, paths: Paths, *, quiet: bool) -> None:
    try:
        fd = wait_lock(paths, _PATIENCE_S)
        if fd is None:
            raise CommandError(f'cluster "{name}" is being started by another command: not purged')
        outside, data = _outside_store(paths), _volumes(paths)
        userconfig.remove_context(name, paths)
        delete_folder(paths)
        os.close(fd)
    except FileNotFoundError:
        outside = data = ""  # another `down --purge` came first
    if outside:
        _say(f'cluster "{name}" is gone; its objects stay in {outside}', quiet=quiet)
    else:
        _say(f'cluster "{name}" and its objects are gone', quiet=quiet)
    if data:
        _say(f"removed {data}", quiet=quiet)


def _volumes(paths: Paths) -> str:
    """Returns the number and the size of the cluster's volumes, or an empty text without volumes."""
    try:
        volumes = [entry for entry in os.scandir(paths.volumes) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return ""
    if not volumes:
        return ""
    from fairlead.cmd.wiring.snapshots.volumes import size_of  # few clusters have volumes

    size = size_of(paths.volumes)
    return f"{len(volumes)} volume{'s' if len(volumes) > 1 else ''} with {size / 1e6:.1f} MB of data"


def _outside_store(paths: Paths) -> str:
    """Returns the etcd that stores the cluster's objects, or an empty text for a store in the cluster's folder."""
    with contextlib.suppress(CommandError):  # a cluster with unreadable settings can still be purged
        config = settings.load(paths)
        return config.store if config is not None and config.etcd is not None else ""
    return ""


def _end(run: Run) -> None:
    """Sends SIGTERM to the supervisor and waits until it and all its processes have ended."""
    with contextlib.suppress(ProcessLookupError):  # it has ended: another `down` may have stopped it
        supervisor = os.pidfd_open(run.pid)
        try:
            if run.alive():  # checked after the descriptor was opened, so it refers to this process
                signal.pidfd_send_signal(supervisor, signal.SIGTERM)
                if not _gone(supervisor, _PATIENCE_S):
                    signal.pidfd_send_signal(supervisor, signal.SIGKILL)
                    _gone(supervisor, _PATIENCE_S)
        except PermissionError as e:
            raise CommandError(f"process {run.pid} belongs to another user") from e
        finally:
            os.close(supervisor)
    wait_gone(run)


def _gone(pidfd: int, timeout_s: float) -> bool:
    return bool(select.select([pidfd], [], [], timeout_s)[0])


def wait_gone(run: Run) -> None:
    """Waits until all components have ended; after a kill -9 of the supervisor the kernel needs a moment."""
    for _ in range(int(_PATIENCE_S / 0.01)):
        if not any(c.pid and is_alive(c.pid, c.startTime) for c in run.components):
            return
        time.sleep(0.01)


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        print(text)
