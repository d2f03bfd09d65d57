"""Sandbox side of forwarding: a name server on the fabric whose sockets come from the supervisor.

DNS pods forward to this server, and pods with `dnsPolicy: Default` use it directly. It serves no zone and caches no
answer (DNS pods do); it tries the upstreams in order and skips those that do not answer.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Sequence
from typing import Any

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.dns.config import Config, split_upstream
from fairlead.dns.forwarding.cache import Cache
from fairlead.dns.forwarding.lines import Timeouts
from fairlead.dns.forwarding.upstream import Upstreams
from fairlead.dns.metrics import Metrics
from fairlead.dns.serving.resolver import Resolver
from fairlead.dns.serving.server import TcpServer, UdpServer
from fairlead.dns.serving.sockets import Pair
from fairlead.dns.zones.zone import Zone
from fairlead.net.hostsockets.client import HostSocketClient

_ANSWER_S = 2.0
_LIST_KEPT_S = 2.0
_NO_DOMAIN = "invalid"
"""The domain of the server's empty zone: a name that cannot exist (RFC 6761)."""


class HostDialer:
    """Dialer that asks the supervisor for sockets to the upstreams listed by `servers`."""

    def __init__(self, sock: socket.socket, *, rng: random.Random) -> None:
        self._host = HostSocketClient(sock, rng=rng, answer_s=_ANSWER_S)

    async def servers(self) -> Sequence[str]:
        return await self._host.servers()

    async def udp(self, upstream: str) -> socket.socket:
        return await self._host.dial(split_upstream(upstream), "UDP")

    async def tcp(self, upstream: str) -> socket.socket:
        return await self._host.dial(split_upstream(upstream), "TCP")


class _Current:
    """Replaces `host` by the present upstreams, which the supervisor lists at most every two seconds."""

    def __init__(self, nursery: Nursery, upstreams: Upstreams, dialer: HostDialer, clock: Clock) -> None:
        self._nursery = nursery
        self._upstreams = upstreams
        self._dialer = dialer
        self._clock = clock
        self._servers: Sequence[str] = ()
        self._until = 0.0

    def ask(self, key: Any, upstreams: Sequence[str], done: Any, *, flags: int) -> None:
        del upstreams
        if self._clock.monotonic() < self._until and self._servers:
            self._upstreams.ask(key, self._servers, done, flags=flags)
        else:
            self._nursery.spawn(self._refresh(key, done, flags))

    async def _refresh(self, key: Any, done: Any, flags: int) -> None:
        try:
            self._servers = await self._dialer.servers()
            self._until = self._clock.monotonic() + _LIST_KEPT_S
        except OSError:
            self._servers = ()
        if self._servers:
            self._upstreams.ask(key, self._servers, done, flags=flags)
        else:
            done(None)


async def serve_outside(
    host: socket.socket, *, sockets: Sequence[Pair], refuse: bool, clock: Clock, rng: random.Random, log: Log
) -> None:
    """Runs until cancelled. `refuse`: there are no upstreams, so queries are refused."""
    metrics = Metrics(".")
    config = Config(domain=_NO_DOMAIN, upstreams=() if refuse else ("host",), cache_size=0)
    cache = Cache(size=0, ttl_s=0, negative_ttl_s=0)
    dialer = HostDialer(host, rng=rng)
    async with Nursery() as nursery:
        timeouts = Timeouts(other_s=1.0)
        upstreams = Upstreams(nursery, dialer=dialer, metrics=metrics, clock=clock, rng=rng, log=log, timeouts=timeouts)
        forwarder = _Current(nursery, upstreams, dialer, clock)
        resolver = Resolver(Zone(config), cache=cache, forwarder=forwarder, metrics=metrics, clock=clock, log=log)
        resolver.ready = True
        for udp, _ in sockets:
            UdpServer(udp, resolver).start()
        TcpServer([tcp for _, tcp in sockets], resolver, nursery).start()
        await asyncio.Future()
