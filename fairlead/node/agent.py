"""The node's agent: registers the node, runs its pods, serves the kubelet API."""

from __future__ import annotations

import random
import socket

from fairlead.base.clock import Clock
from fairlead.base.ids import IdSource
from fairlead.base.log import Log
from fairlead.net.topology.run import PodAttacher
from fairlead.node.settings import NodeSettings
from fairlead.runtime.client import Client


async def run(  # noqa: PLR0913 -- the wiring's one way in
    settings: NodeSettings,
    client: Client,
    *,
    zygote: socket.socket,
    attacher: PodAttacher,
    clock: Clock,
    rng: random.Random,
    ids: IdSource,
    log: Log,
) -> None:
    """For ever, in the node's network namespace. Raises `ZygoteGone` where the zygote has died: every container has
    died with it, so whoever started this process starts a new zygote and a new agent.

    `zygote` is the agent's end of the SOCK_SEQPACKET pair whose other end `node.zygote.main` has."""
    raise NotImplementedError
