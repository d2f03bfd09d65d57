"""The relay's process: forwards connections to Services from the host's loopback into the sandbox."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from fairlead.base.clock import Clock, RealClock
from fairlead.base.dataclass import dataclass
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.wiring import tls
from fairlead.cmd.wiring.settled import trim_when_settled
from fairlead.net.model import API_PORT_INSIDE

if TYPE_CHECKING:
    from fairlead.base.log import Log
    from fairlead.net.hostsockets.client import HostSocketClient
    from fairlead.relay.fdstore import StoredFd
    from fairlead.runtime.client import Client

WARM = (
    "fairlead.dns.serving.sockets",
    "fairlead.relay.exposed",
    "fairlead.relay.loop",
    "fairlead.runtime.http",
    "fairlead.runtime.typed",
)
"""Modules that the template imports before it forks this process."""


@dataclass(frozen=True, slots=True)
class RelaySockets:
    """Sockets that pid 1 hands over."""

    host: socket.socket
    """Carries requests to the supervisor for sockets on the host's loopback."""
    outside: socket.socket
    """Carries requests to the supervisor for sockets to the upstreams of DNS."""
    fd_store: socket.socket
    """Passes sockets to pid 1, which keeps them over a restart of the relay."""
    stored: Sequence[StoredFd]
    """Sockets of the previous relay."""


def main(config: ClusterConfig, paths: Paths, sockets: RelaySockets) -> None:
    from fairlead.runtime.http import shrink_tls_buffers

    shrink_tls_buffers()
    asyncio.run(_run(config, paths, sockets))


async def _run(config: ClusterConfig, paths: Paths, sockets: RelaySockets) -> None:
    import fairlead.relay.exposed
    from fairlead.base.log import stderr_log
    from fairlead.base.tasks import keep_running, run_all
    from fairlead.net.hostsockets.client import HostSocketClient
    from fairlead.relay.fdstoreclient import FdStoreClient
    from fairlead.relay.loop import HostSockets, run

    trim_when_settled()
    clock, network = RealClock(), config.network()
    nodes = {name: list(map(str, network.node_ips(i))) for i, name in enumerate(config.node_names, 1)}
    log = stderr_log("relay", clock=clock)
    listener = HostSocketClient(sockets.host, rng=random.Random())
    relay = run(
        partial(_connect, f"https://{network.gateway}:{API_PORT_INSIDE}", paths),
        host=HostSockets(listener, FdStoreClient(sockets.fd_store, sockets.stored)),
        network=network,
        nodes=nodes,
        clock=clock,
        log=log,
    )
    names = keep_running("outside names", partial(_answer_names, config, sockets.outside, clock, log), log=log)
    exposed = fairlead.relay.exposed.run(
        config.exposed, address=str(network.control_ip), host=listener, log=log.named("exposed")
    )
    egress = [keep_running("egress", partial(_carry_out, config, listener, log), log=log)] if config.egress else []
    await run_all(relay, names, exposed, *egress)


def _connect(api: str, paths: Paths) -> Client:
    from fairlead.runtime.http import HttpTransport
    from fairlead.runtime.typed import ApiClient

    return ApiClient(HttpTransport(api, ssl_context=tls.client(paths.pki, "relay")))


async def _carry_out(config: ClusterConfig, listener: HostSocketClient, log: Log) -> None:
    """Carries the Pods' connections to other machines."""
    from fairlead.relay.egress.run import run as carry

    await carry(config.network(), host=listener, log=log.named("egress"))


async def _answer_names(config: ClusterConfig, outside: socket.socket, clock: Clock, log: Log) -> None:
    """Serves names outside of the cluster on the fabric's gateway, for DNS pods and pods without cluster DNS."""
    from fairlead.dns.serving.sockets import first_question, listening

    sockets = listening(53, address=str(config.network().control_ip))
    await first_question(sockets)
    from fairlead.dns.program.outside import serve_outside  # 2 MB, only needed after the first question

    await serve_outside(
        outside,
        sockets=sockets,
        refuse=config.upstream == "none",
        clock=clock,
        rng=random.SystemRandom(),
        log=log.named("outside"),
    )
