"""`fairlead up --host-routes`: the host's routes to Services, Pods and load balancers (decision 0008).

All that is made on the host is one link, whose other end is in the cluster: it ends with the cluster, in any case.
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
"""How long the kernel may take to remove the link of a cluster that was just killed."""
_LOOK_EVERY_S = 0.02


def check_rights(*, wanted: bool) -> None:
    """Raises UsageError where somebody else than root wants routes."""
    if wanted and os.geteuid() != 0:
        raise UsageError(
            "--host-routes: only root may change this machine's routes. Without it Services are on 127.0.0.1, as "
            "`fairlead services` says; --no-host-routes does without"
        )


def settle(config: ClusterConfig, *, clock: Clock) -> HostLink | None:
    """The link to be made, None where none is wanted. Raises CommandError where the host has something in its way."""
    if not config.host_routes:
        return None
    from fairlead.net.hostlink.plan import HostLinkError, join, link_name
    from fairlead.net.hostlink.run import read_host

    deadline = clock.monotonic() + _LEAVING_S
    view = read_host()
    while link_name(config.name) in view.links.values() and clock.monotonic() < deadline:
        sleep(_LOOK_EVERY_S)
        view = read_host()
    try:
        return join(config.name, config.network(), view)
    except HostLinkError as e:
        raise CommandError(f"--host-routes: {e}; --no-host-routes does without") from e


def attach(link: HostLink | None, config: ClusterConfig, pid: int) -> None:
    """Joins the network namespace of process `pid`. Raises CommandError."""
    if link is None:
        return
    from fairlead.net.hostlink import run

    try:
        run.attach(link, config.network(), pid)
    except OSError as e:
        hint = "inside a container it needs --cap-add NET_ADMIN; " if e.errno == errno.EPERM else ""
        raise CommandError(f"--host-routes: cannot {e.strerror}; {hint}--no-host-routes does without") from e


def detach(link: HostLink | None) -> None:
    if link is not None:
        from fairlead.net.hostlink import run

        try:
            run.detach(link)
        except OSError as e:  # the kernel takes it away by itself, a moment later
            print(f"--host-routes: {e}", file=sys.stderr)
