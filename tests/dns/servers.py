"""Real servers on the loopback: ours, and upstreams with prescribed replies."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fairlead.base.clock import RealClock
from fairlead.base.log import SILENT
from fairlead.base.tasks import Nursery
from fairlead.dns.config import Config
from fairlead.dns.forwarding.cache import Cache
from fairlead.dns.forwarding.lines import Dialer, DirectDialer, Timeouts
from fairlead.dns.forwarding.upstream import Upstreams
from fairlead.dns.metrics import Metrics
from fairlead.dns.protocol.wire import AAAA, HEADER, TC, A
from fairlead.dns.serving.resolver import Resolver
from fairlead.dns.serving.server import TcpServer, UdpServer
from fairlead.dns.serving.sockets import Pair, listening
from fairlead.dns.zones.zone import Zone
from tests.dns.world import World

Reply = Callable[[bytes, bool], bytes | None]
"""Returns the reply for a query; the flag says whether the query came over TCP."""


def says(address: str, *, six: str = "", ttl: int = 60, rcode: int = 0) -> Reply:
    """Replies that every name has this address, and `six` if given; the answer to other types is empty (NODATA)."""
    packed = {A: socket.inet_aton(address)} | ({AAAA: socket.inet_pton(socket.AF_INET6, six)} if six else {})

    def reply(data: bytes, _: bool) -> bytes:
        end = data.find(b"\0", 12) + 5
        found = b"" if rcode else packed.get(data[end - 3], b"")
        fixed = b"\xc0\x0c" + data[end - 4 : end] + ttl.to_bytes(4, "big") + len(found).to_bytes(2, "big")
        counts = bytes((0, 1, 0, bool(found), 0, 0, 0, 0))
        head = data[:2] + (0x8180 | rcode).to_bytes(2, "big") + counts
        return head + data[12:end] + (fixed + found if found else b"")

    return reply


def missing(ttl: int = 60) -> Reply:
    """Replies that no name exists; the SOA permits caching for `ttl`."""

    def reply(data: bytes, _: bool) -> bytes:
        end = data.find(b"\0", 12) + 5
        rdata = b"\0\0" + bytes(16) + ttl.to_bytes(4, "big")
        soa = b"\0\0\6\0\1" + ttl.to_bytes(4, "big") + len(rdata).to_bytes(2, "big") + rdata
        return data[:2] + b"\x81\x83\0\1\0\0\0\1\0\0" + data[12:end] + soa

    return reply


def cut_over_udp(then: Reply) -> Reply:
    """Replies with TC over UDP, and completely over TCP."""

    def reply(data: bytes, tcp: bool) -> bytes | None:
        if tcp:
            return then(data, True)
        end = data.find(b"\0", 12) + 5
        return HEADER.pack(int.from_bytes(data[:2], "big"), 0x8180 | TC, 1, 0, 0, 0) + data[12:end]

    return reply


@dataclass
class Upstream:
    name: str
    reply: Reply | None
    """None: receives queries and never replies."""
    heard: list[bytes] = field(default_factory=list)


def on_loopback() -> Pair:
    """Binds a port that is free for both; a port that is free for UDP may be in use for TCP."""
    for _ in range(20):
        try:
            return listening(0, address="127.0.0.1")[0]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, "no port is free for UDP and TCP")


@asynccontextmanager
async def upstream(reply: Reply | None) -> AsyncIterator[Upstream]:
    udp, tcp = on_loopback()
    udp.setblocking(False)
    made = Upstream(f"127.0.0.1:{udp.getsockname()[1]}", reply)
    loop = asyncio.get_running_loop()

    def read() -> None:
        data, peer = udp.recvfrom(4096)
        made.heard.append(data)
        said = made.reply(data, False) if made.reply else None
        if said:
            udp.sendto(said, peer)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        said = made.reply(await reader.readexactly(length), True) if made.reply else None
        if said:
            writer.write(len(said).to_bytes(2, "big") + said)
            await writer.drain()
        writer.close()

    loop.add_reader(udp.fileno(), read)
    server = await asyncio.start_server(handle, sock=tcp)
    try:
        yield made
    finally:
        loop.remove_reader(udp.fileno())
        udp.close()
        server.close()
        await server.wait_closed()


@dataclass
class Ours:
    port: int
    resolver: Resolver
    metrics: Metrics


@asynccontextmanager
async def ours(config: Config, world: World | None = None, *, dialer: Dialer | None = None) -> AsyncIterator[Ours]:
    """Runs our server with these settings, and with the names of `world` if given."""
    zone = world.zone if world else Zone(config)
    zone.configure(config)
    zone.flush(1)
    metrics, clock = Metrics("cluster.local."), RealClock()
    async with Nursery() as nursery:
        upstreams = Upstreams(
            nursery, dialer=dialer or DirectDialer(""), metrics=metrics, clock=clock, rng=random.Random(7), log=SILENT,
            timeouts=Timeouts(host_s=1.0, other_s=0.15),
        )  # fmt: skip
        cache = Cache(size=config.cache_size, ttl_s=config.cache_ttl_s, negative_ttl_s=config.negative_ttl_s)
        resolver = Resolver(zone, cache=cache, forwarder=upstreams, metrics=metrics, clock=clock, log=SILENT)
        resolver.ready = True
        udp, tcp = on_loopback()
        server = UdpServer(udp, resolver)
        server.start()
        listener = TcpServer([tcp], resolver, nursery)
        listener.start()
        try:
            yield Ours(udp.getsockname()[1], resolver, metrics)
        finally:
            server.stop()
            udp.close()
            listener.close()
            upstreams.close()


async def over_udp(port: int, *queries: bytes) -> list[bytes]:
    """Sends all queries; returns as many answers, in the order of their ids."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        for query in queries:
            sock.send(query)
        async with asyncio.timeout(30):
            return sorted([await loop.sock_recv(sock, 4096) for _ in queries])


async def over_tcp(port: int, *queries: bytes, pieces: Sequence[int] = ()) -> list[bytes]:
    """Sends all queries over one connection at once; `pieces`: the offsets at which a new write begins."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = b"".join(len(query).to_bytes(2, "big") + query for query in queries)
    at = 0
    for cut in (*pieces, len(data)):
        writer.write(data[at:cut])
        await writer.drain()
        await asyncio.sleep(0)
        at = cut
    found = []
    async with asyncio.timeout(30):
        for _ in queries:
            length = int.from_bytes(await reader.readexactly(2), "big")
            found.append(await reader.readexactly(length))
    writer.close()
    return sorted(found)
