"""The control plane's process: API server, controllers and scheduler on one event loop.

Controllers use the server's own transport, without TLS; everyone else comes through the two sockets that pid 1 keeps
open over a restart, so that clients then wait a moment instead of being refused.
"""

from __future__ import annotations

import asyncio
import random
import signal
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairlead.base.clock import RealClock
from fairlead.base.ids import RandomIds
from fairlead.cmd import tls
from fairlead.cmd.channel import Channel
from fairlead.cmd.config import ClusterConfig
from fairlead.cmd.sandbox import API_PORT_INSIDE
from fairlead.cmd.state import Paths

if TYPE_CHECKING:
    from fairlead.apiserver.settings import ApiSettings
    from fairlead.base.log import Log
    from fairlead.runtime.client import Client


WARM = (
    "uvloop",
    "fairlead.apiserver.server",
    "fairlead.controllers",
    "fairlead.runtime.typed",
    "fairlead.scheduler.loop",
    "fairlead.store.sqlite",
)
"""What pid 1 imports before it forks this process."""


def main(config: ClusterConfig, paths: Paths, *, sockets: Sequence[socket.socket], channel: Channel) -> None:
    import uvloop

    uvloop.run(_until_asked(config, paths, sockets, channel))


async def _until_asked(config: ClusterConfig, paths: Paths, sockets: Sequence[socket.socket], channel: Channel) -> None:
    """Runs until SIGTERM; then the store is closed in order."""
    asked = False
    running = asyncio.current_task()
    assert running is not None

    def end() -> None:
        nonlocal asked
        asked = True
        running.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    try:
        await _run(config, paths, sockets, channel)
    except asyncio.CancelledError:
        if not asked:
            raise


def _settings(config: ClusterConfig, paths: Paths) -> ApiSettings:
    from fairlead.apiserver.settings import ApiSettings

    return ApiSettings(
        service_cidr=config.service_cidr,
        node_port_range=config.node_port_range,
        advertise_address=str(config.network().gateway),
        advertise_port=API_PORT_INSIDE,
        sa_key=(paths.pki / "sa.key").read_bytes(),
        ca_pem=(paths.pki / "ca.crt").read_text(encoding="ascii"),
        kubelet_tls=tls.client(paths.pki, "kubelet-client"),
    )


async def _run(config: ClusterConfig, paths: Paths, sockets: Sequence[socket.socket], channel: Channel) -> None:
    import fairlead.controllers
    import fairlead.scheduler.loop
    from fairlead.apiserver.server import ApiServer
    from fairlead.base.log import stderr_log
    from fairlead.base.tasks import run_all
    from fairlead.runtime.typed import ApiClient
    from fairlead.store.sqlite import SqliteStore

    clock, rng = RealClock(), random.Random()
    ids = RandomIds(rng)
    settings = _settings(config, paths)
    store = SqliteStore.open(paths.store)
    log = stderr_log("apiserver", clock=clock)
    server = ApiServer(store, settings=settings, clock=clock, rng=rng, ids=ids, log=log)
    try:
        await server.start()
        await server.serve(sockets, tls.server(paths.pki, "apiserver", require_client=False))
        channel.send({"event": "ready", "what": "api", "text": f"API ready at https://127.0.0.1:{config.api_port}"})
        client = ApiClient(server.transport())
        controllers = fairlead.controllers.run(
            client,
            clock=clock,
            rng=rng,
            ids=ids,
            ca_pem=settings.ca_pem,
            settings=fairlead.controllers.Settings(log=log.named("controllers")),
        )
        scheduler = fairlead.scheduler.loop.run(client, clock=clock, rng=rng, log=log.named("scheduler"))
        addons = _add_dns(client, config, log.named("addons"))
        await run_all(controllers, scheduler, addons, _tell_nodes_ready(client, config, channel))
    finally:
        await server.stop()
        await store.close()


async def _add_dns(client: Client, config: ClusterConfig, log: Log) -> None:
    """Once the nodes are Ready: nobody waits for names to be told that the cluster is there."""
    await _nodes_ready(client, config.node_names)
    import fairlead.dns.addon

    outside = f"{config.network().gateway}:53"
    await fairlead.dns.addon.apply(client, address=config.dns_ip, domain="cluster.local", outside=outside, log=log)


async def _tell_nodes_ready(client: Client, config: ClusterConfig, channel: Channel) -> None:
    await _nodes_ready(client, config.node_names)
    count = config.nodes
    channel.send({"event": "ready", "what": "nodes", "text": f"{count} node{'s' if count > 1 else ''} Ready"})


async def _nodes_ready(client: Client, names: Sequence[str]) -> None:
    """Returns as soon as all are Ready."""
    from fairlead.api.node import NODE, Node

    def ready(node: Node) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)

    missing = set(names)
    listing = await client.list(NODE)
    missing -= {node.metadata.name for node in listing.items if ready(node)}
    if missing:
        async for event in client.watch(NODE, resource_version=listing.resource_version):
            if ready(event.object):
                missing.discard(event.object.metadata.name)
            if not missing:
                return
