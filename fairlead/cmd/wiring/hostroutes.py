"""`fairlead up --host-routes`: the host's routes to Services, Pods and load balancers (decision 0008).

The only thing made on the host is a link, whose other end is in the cluster, so it always ends with the cluster.
"""

from __future__ import annotations

import errno
import os
import sys
from time import sleep
from typing import TYPE_CHECKING

from fairlead.base.clock import Clock
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.errors import CommandError, UsageError

if TYPE_CHECKING:
    from fairlead.net.hostlink.plan import HostLink

_LEAVING_S = 10.0
"""Time limit for the kernel to remove the link of a cluster that was just killed."""
_POLL_EVERY_S = 0.02


def check_rights(*, enabled: bool) -> None:
    """Raises UsageError if routes are wanted and the user is not root."""
    if enabled and os.geteuid() != 0:
        raise UsageError(
            "--host-routes needs root, because it changes this machine's routes; without routes (--no-host-routes) "
            "Services are on 127.0.0.1: see `fairlead services`"
        )


def plan_link(config: ClusterConfig, *, clock: Clock) -> HostLink | None:
    """Returns the link to make, or None without `--host-routes`. Raises CommandError if the host's networks overlap."""
    if not config.host_routes:
        return None
    from fairlead.net.hostlink.plan import HostLinkError, join, link_name
    from fairlead.net.hostlink.run import read_host

    deadline = clock.monotonic() + _LEAVING_S
    view = read_host()
    while link_name(config.name) in view.links.values() and clock.monotonic() < deadline:
        sleep(_POLL_EVERY_S)
        view = read_host()
    try:
        return join(config.name, config.network(), view)
    except HostLinkError as e:
        raise CommandError(f"--host-routes: {e}; to start without routes: --no-host-routes") from e


def attach(link: HostLink | None, config: ClusterConfig, pid: int) -> None:
    """Connects the host with the network namespace of process `pid`. Raises CommandError."""
    if link is None:
        return
    from fairlead.net.hostlink import run

    try:
        run.attach(link, config.network(), pid)
    except OSError as e:
        hint = "inside a container it needs --cap-add NET_ADMIN; " if e.errno == errno.EPERM else ""
        raise CommandError(
            f"--host-routes: cannot {e.strerror}; {hint}to start without routes: --no-host-routes"
        ) from e


def detach(link: HostLink | None) -> None:
    if link is not None:
        from fairlead.net.hostlink import run

        try:
            run.detach(link)
        except OSError as e:  # the kernel removes the link by itself a moment later
            print(f"--host-routes: {e}", file=sys.stderr)
