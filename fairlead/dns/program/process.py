"""One DNS server on an event loop: sockets, resolver, watches of the cluster and HTTP pages. All backends are
parameters."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Sequence

from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.log import Log
from fairlead.base.metrics import render
from fairlead.base.process import process_families
from fairlead.base.tasks import Nursery
from fairlead.dns.config import Config
from fairlead.dns.forwarding.cache import Cache
from fairlead.dns.forwarding.lines import Dialer, Timeouts
from fairlead.dns.forwarding.upstream import Upstreams
from fairlead.dns.metrics import Metrics
from fairlead.dns.serving.loop import ClusterView
from fairlead.dns.serving.pages import serve_page
from fairlead.dns.serving.resolver import Resolver
from fairlead.dns.serving.server import TcpServer, UdpServer
from fairlead.dns.zones.zone import Zone
from fairlead.runtime.transport import Transport

LAME_S = 5.0
"""Seconds of answering after the request to end: until the rules of every node leave this pod out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    address: str | None = None
    """Address of the HTTP pages; None means all."""
    metrics_port: int = 9153
    ready_port: int = 8181
    health_port: int = 8080
    pod: str = ""
    version: str = ""


async def run(  # noqa: PLR0913 -- the wiring's one way in
    settings: Settings,
    *,
    api: Transport,
    sockets: Sequence[tuple[socket.socket, socket.socket]],
    dialer: Dialer,
    clock: Clock,
    rng: random.Random,
    log: Log,
    ending: asyncio.Event,
) -> None:
    """Serves until `LAME_S` seconds after `ending` is set."""
    config = Config()
    metrics = Metrics(config.domain + ".")
    cache = Cache(size=config.cache_size, ttl_s=config.cache_ttl_s, negative_ttl_s=config.negative_ttl_s)
    async with Nursery() as nursery:
        upstreams = Upstreams(
            nursery, dialer=dialer, metrics=metrics, clock=clock, rng=rng, log=log, timeouts=Timeouts()
        )
        resolver = Resolver(Zone(config), cache=cache, forwarder=upstreams, metrics=metrics, clock=clock, log=log)
        view = ClusterView(api, resolver, metrics=metrics, clock=clock, log=log, name=settings.pod)

        def is_ready() -> tuple[int, str]:
            return (200, "OK") if view.ready and not ending.is_set() else (503, "not ready\n")

        def all_metrics() -> tuple[int, str]:
            metrics.cache_entries, metrics.cache_evictions = resolver.cache.counts(), resolver.cache.evictions()
            return 200, render([*metrics.families(settings.version), *process_families()])

        pages = (
            ("/ready", is_ready, settings.ready_port),
            ("/health", lambda: (200, "OK"), settings.health_port),
            ("/metrics", all_metrics, settings.metrics_port),
        )
        shown = [await serve_page(path, page, address=settings.address, port=port) for path, page, port in pages]
        nursery.spawn(view.run())
        for udp, _ in sockets:
            UdpServer(udp, resolver).start()
        over_tcp = TcpServer([tcp for _, tcp in sockets], resolver, nursery)
        over_tcp.start()
        await ending.wait()
        log.info("ending")
        await asyncio.sleep(LAME_S)
        over_tcp.close()
        for server in shown:
            server.close()
