"""The pulling service of a cluster: a UNIX socket in the cluster's folder, and a process in the host's network.

Nodes lack a route to registries, but they see the folder. The supervisor holds the listening socket. With the first
connection it forks the process, which ends after a while without requests. Then it watches the socket again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

from fairlead.base.clock import RealClock
from fairlead.base.shortpath import short_path
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths, docker_config, image_store, open_log, registries_file
from fairlead.cmd.process.enter import close_others, reset_signals
from fairlead.net import linux

_BACKLOG = 128


def listen(paths: Paths) -> socket.socket:
    """Opens the socket, mode 0600 in a folder of mode 0700."""
    path = paths.image_socket
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    opened = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with short_path(str(path)) as short:
            opened.bind(short)
    finally:
        os.umask(before)
    opened.listen(_BACKLOG)
    return opened


def start(listener: socket.socket, config: ClusterConfig, paths: Paths) -> int:
    """Forks the process and returns its pid. It ends with its parent."""
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
        reset_signals()
        linux.set_process_name("fairlead-images")
        log = open_log(paths.log("images"))
        os.dup2(log, 1)
        os.dup2(log, 2)
        close_others((listener.fileno(),))
        _serve(listener, config, image_store(), registries_file())
        os._exit(0)
    except BaseException:  # noqa: BLE001 -- the top of a process
        import traceback

        traceback.print_exc()
    finally:
        os._exit(1)


def _serve(listener: socket.socket, config: ClusterConfig, store: Path, registries: Path) -> None:
    import asyncio  # not before the fork: the supervisor stays small

    from fairlead.images.service.serve import PullService, ServiceSettings

    settings = ServiceSettings(store, registries, docker_config(), config.registries)
    asyncio.run(PullService(settings, clock=RealClock()).serve(listener))
