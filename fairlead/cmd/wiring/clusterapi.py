"""Access of commands to the API of a cluster on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fairlead.cli.api import Api, ApiError
from fairlead.cli.services import Networks, NotFound
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.lookup import lost_settings, running
from fairlead.cmd.errors import CommandError

R = TypeVar("R")


def connect(name: str, *, timeout_s: float = 10.0) -> tuple[Api, Networks]:
    """Returns a client, and the networks to which the host has routes. Raises CommandError."""
    paths, run = running(name)
    config = settings.load(paths)
    if config is None:
        raise lost_settings(name, paths)
    routes: Networks = []
    if run.hostLink:
        from fairlead.net.hostlink.plan import ranges

        routes = [block for _, block in ranges(config.network())]
    return Api(config.api_port, pki=paths.pki, timeout_s=timeout_s), routes


def ask(work: Callable[[], R]) -> R:
    """Returns the result of `work`. Raises CommandError if the API does not answer or refuses the request."""
    try:
        return work()
    except (ApiError, NotFound) as e:
        raise CommandError(str(e)) from e
    except OSError as e:
        raise CommandError(f"the API does not answer: {e}") from e
